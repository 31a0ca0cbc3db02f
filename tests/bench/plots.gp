# SPDX-License-Identifier: GPL-2.0-only
#
# usage: gnuplot -e "dir='DIRECTORY'; unit='UNIT'" plots.gp
#
# Draws size.svg, wake.svg and scale.svg from the data of "plots".

# lastline stands out; its rivals have the other colours.
set linetype 1 lc rgb "#c1121f" lw 3 pt 7
set linetype 2 lc rgb "#f77f00" lw 3 pt 5
set linetype 3 lc rgb "#003049" lw 1.5 pt 9
set linetype 4 lc rgb "#457b9d" lw 1.5 pt 11
set linetype 5 lc rgb "#74a5c4" lw 1.5 pt 13
set linetype 6 lc rgb "#2a9d8f" lw 1.5 pt 1
set linetype 7 lc rgb "#588157" lw 1.5 pt 2
set linetype 8 lc rgb "#8d6a9f" lw 1.5 pt 3
set linetype 9 lc rgb "#9c6644" lw 1.5 pt 4
set linetype 10 lc rgb "#b5838d" lw 1.5 pt 6
set linetype 11 lc rgb "#6c757d" lw 1.5 pt 8
set linetype 12 lc rgb "#a68a64" lw 1.5 pt 10
set linetype 13 lc rgb "#4a4e69" lw 1.5 pt 12
set linetype 14 lc rgb "#adb5bd" lw 1.5 dt 2 pt 14
set linetype 15 lc rgb "#ced4da" lw 1.5 dt 2 pt 15

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
# The only reader of a seqlock spins while the writer is at it: more gain more than they are.
set yrange [0:8]
set xtics (1, 2, 4)
stats dir."/scale.dat" nooutput
plot for [i=0:STATS_blocks-1] dir."/scale.dat" index i using 1:2 \
	with linespoints lt i+1 title columnheader(1), x lc rgb "#cccccc" dt 3 title "in proportion"
