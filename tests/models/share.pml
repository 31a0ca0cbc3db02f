/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that share one open file: each part of a line is delivered once and in order,
 * generations do not go backwards, and no thread sleeps while a read would return data.
 * draw_up(), settle(), read_later() and lastline_llseek().
 *
 * Memory is in order here; wake.pml is about the order of state and news. A thread without
 * the lock may look between any two stores of the thread that holds it. read_fast() is left
 * out: it does the same with the lock held all the time.
 *
 * Each line has two parts, and a buffer has room for one or for both.
 *
 * Twins (-D): SEEN_FIRST lets a short read set what was seen before the rest of the line,
 * NO_TURN delivers although another thread was first, NO_SEEK_WAKE leaves out the wake-up
 * of lseek().
 */
#ifndef THREADS
#define THREADS		2
#endif
#ifndef LINES
#define LINES		2
#endif
#ifndef SEEKS
#define SEEKS		1
#endif
#ifndef PARTS
#define PARTS		2
#endif

#define RUNNING		0
#define INTERRUPTIBLE	1

byte generation;
byte seen, left, turn;		/* of the open file */
bit locked;
bit state[THREADS];
byte asleep;

byte line, part;		/* delivered last: this line, up to this part */

#define lock()		atomic { !locked -> locked = 1 }
#define unlock()	locked = 0

inline wake_all()
{
	d_step {
		i = 0;
		do
		:: i < THREADS -> state[i] = RUNNING; i++
		:: else -> break
		od;
		i = 0
	}
}

active proctype writer()
{
	byte i;

	do
	:: generation < LINES ->
		generation++;
		wake_all()
	:: else -> break
	od
}

/* lseek(fd, 0, SEEK_SET) */
active proctype seeker()
{
	byte i, seeks;

	do
	:: seeks < SEEKS ->
		seeks++;
		lock();
		turn++;
		left = 0;
		d_step {
			seen = 0;
			line = 0;
			part = PARTS
		};
		unlock();
#ifndef NO_SEEK_WAKE
		wake_all()
#endif
	:: else -> break
	od
}

active [THREADS] proctype thread()
{
	byte me = _pid - 2;
	byte g, t, parts, room;
	bit rest;

wait:	/* read_later() */
	state[me] = INTERRUPTIBLE;
	g = generation;
	if
	:: g != seen -> goto read
	:: else
	fi;
	if
	:: left > 0 -> goto read
	:: else
	fi;
	asleep++;
end:	atomic { state[me] == RUNNING -> asleep-- };
	goto wait;

read:	/* read_slow() */
	state[me] = RUNNING;
	if
	:: room = 1
	:: room = PARTS
	fi;
again:	/* draw_up() */
	lock();
	if
	:: left > 0 -> rest = 1; parts = left; g = seen
	:: left == 0 && generation != seen -> rest = 0; parts = PARTS; g = generation
	:: else -> unlock(); goto wait
	fi;
	t = turn;
	unlock();
	/* Here it copies to the user, without a lock. */
	parts = (parts < room -> parts : room);

	/* settle() */
	lock();
	if
#ifdef NO_TURN
	:: false ->
#else
	:: t != turn ->
#endif
		unlock();
		goto again
	:: else
	fi;
	turn++;
	if
	:: rest ->
		assert(g == line && part + parts <= PARTS && left >= parts);
		left = left - parts
	:: else ->
		assert(g > line && part % PARTS == 0);
		d_step { line = g; part = 0 };
#ifdef SEEN_FIRST
		seen = g;
		left = PARTS - parts
#else
		left = PARTS - parts;
		seen = g
#endif
	fi;
	d_step { part = part + parts; g = 0; t = 0; parts = 0; room = 0; rest = 0 };
	unlock();
	if	/* read on, or not */
	:: goto wait
	:: skip
	fi
}

active proctype judge()
{
	timeout ->	/* nothing can go on */
	assert(asleep == 0 || (left == 0 && seen == generation))
}
