# SPDX-License-Identifier: GPL-2.0-only
#
# usage: gnuplot -e "dir='DIRECTORY'; unit='UNIT'" plots.gp
#
# Draws size.svg, wake.svg and scale.svg from the data of "report".

# lastline has thick red lines, the alternatives thin ones, the floors dashed ones.
colors = "#c1121f #f77f00 #003049 #457b9d #74a5c4 #2a9d8f #588157 #8d6a9f \
	#9c6644 #b5838d #6c757d #a68a64 #4a4e69 #adb5bd #ced4da"
points = "7 5 9 11 13 1 2 3 4 6 8 10 12 14 15"
do for [i=1:15] {
	set linetype i lc rgb word(colors, i) pt int(word(points, i)) \
		lw (i < 3 ? 3 : 1.5) dt 1+(i > 13)
}

set terminal svg size 900,560 dynamic noenhanced font "sans-serif,13" background "white"
set key outside right center reverse Left
set grid lc rgb "#dddddd"
set border 3
set tics nomirror
set pointsize 0.6

# The first line of each block is its title.
set datafile columnheaders

set logscale xy
set format y "%.0s %c"
set output dir."/size.svg"
set title "Publish a line and read it"
set xlabel "bytes of the line"
set ylabel unit
set xtics (1, 64, 512, "4 Ki" 4096, "64 Ki" 65536, "1 Mi" 1048576)
stats dir."/size.dat" nooutput
plot for [i=0:STATS_blocks-1] dir."/size.dat" index i using 1:2 \
	with linespoints lt i+1 title columnheader(1)

set output dir."/wake.svg"
set title "Wake all sleeping readers with one line"
set xlabel "sleeping readers"
set xtics (1, 10, 100, 1000)
stats dir."/wake.dat" nooutput
plot for [i=0:STATS_blocks-1] dir."/wake.dat" index i using 1:2 \
	with linespoints lt i+1 title columnheader(1)

unset logscale
set format y "%g"
set output dir."/scale.svg"
set title "Readers beside one writer"
set xlabel "CPUs that read"
set ylabel "reads, to those of one CPU"
set xrange [1:4]
# The only reader of a seqlock spins during a write, so more readers gain more than their number.
set yrange [0:8]
set xtics (1, 2, 4)
stats dir."/scale.dat" nooutput
plot for [i=0:STATS_blocks-1] dir."/scale.dat" index i using 1:2 \
	with linespoints lt i+1 title columnheader(1), x lc rgb "#cccccc" dt 3 title "in proportion"
