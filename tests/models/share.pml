/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads that share one open file: each part of a line is delivered once and in order,
 * generations do not go backwards, and no thread sleeps while a read would return data.
 * Models snapshot_read(), commit_read(), wait_and_read() and lastline_llseek().
 *
 * Memory accesses are in order here; wake.pml models the order of task state and generation.
 * A thread without the lock may load between any two stores of the thread that holds it.
 * read_fast() is left out: it does the same with the lock held all the time.
 *
 * Each line has two parts, and a buffer has room for one or for both.
 *
 * Faulty variants (-D): SEEN_FIRST lets a short read update seen_gen before the rest of the
 * line, NO_READ_SEQ commits a read although another thread has read meanwhile, NO_SEEK_WAKE
 * leaves out the wake-up of lseek(), WAITED_LATE sets @waited after the check.
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
byte seen_gen, left, read_seq;	/* of the open file */
bit locked, waited;
bit state[THREADS];
byte asleep;

byte line, part;		/* the last delivery: this line, up to this part */

#define REWOUND		128

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
		read_seq++;
		left = 0;
		d_step {
			seen_gen = (seen_gen -> seen_gen | REWOUND : 0);	/* file_rewind() */
			line = 0;
			part = PARTS
		};
		unlock();
#ifndef NO_SEEK_WAKE
		if
		:: waited -> wake_all()
		:: else
		fi
#endif
	:: else -> break
	od
}

active [THREADS] proctype thread()
{
	byte me = _pid - 2;
	byte g, t, parts, room;
	bit rest;

wait:	/* wait_and_read() */
#ifndef WAITED_LATE
	waited = 1;
#endif
	state[me] = INTERRUPTIBLE;
	g = generation;
	if
	:: g != seen_gen -> goto read
	:: else
	fi;
	if
	:: left > 0 -> goto read
	:: else
	fi;
	waited = 1;
	asleep++;
end:	atomic { state[me] == RUNNING -> asleep-- };
	goto wait;

read:	/* read_slow() */
	state[me] = RUNNING;
	if
	:: room = 1
	:: room = PARTS
	fi;
again:	/* snapshot_read() */
	lock();
	if
	:: left > 0 -> rest = 1; parts = left; g = seen_gen
	:: left == 0 && generation != seen_gen -> rest = 0; parts = PARTS; g = generation
	:: else -> unlock(); goto wait
	fi;
	t = read_seq;
	unlock();
	/* Here it copies to the user, without a lock. */
	parts = (parts < room -> parts : room);

	/* commit_read() */
	lock();
	if
#ifdef NO_READ_SEQ
	:: false ->
#else
	:: t != read_seq ->
#endif
		unlock();
		goto again
	:: else
	fi;
	read_seq++;
	if
	:: rest ->
		assert(g == line && part + parts <= PARTS && left >= parts);
		left = left - parts
	:: else ->
		assert(g > line && part % PARTS == 0);
		d_step { line = g; part = 0 };
#ifdef SEEN_FIRST
		seen_gen = g;
		left = PARTS - parts
#else
		left = PARTS - parts;
		seen_gen = g
#endif
	fi;
	d_step { part = part + parts; g = 0; t = 0; parts = 0; room = 0; rest = 0 };
	unlock();
	if	/* reads again, or ends */
	:: goto wait
	:: skip
	fi
}

active proctype final_check()
{
	timeout ->	/* no other process can continue */
	assert(asleep == 0 || (left == 0 && seen_gen == generation))
}
