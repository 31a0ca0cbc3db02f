/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * No wake-up is lost: a writer publishes, then checks the wait queue; a reader joins the
 * queue, then checks the generation. lastline_channel_wake(), wait_and_read() and lastline_poll().
 *
 * Each thread has a store buffer: its stores reach the memory in order, but at any later
 * moment, and meanwhile it may load old values of everything else. Only a full barrier waits
 * until the buffer is empty. A lock is free when the store that frees it is in memory.
 *
 * Of the kernel there are add_wait_queue() and __wake_up() under the queue's lock, the full
 * barriers in try_to_wake_up() and schedule(), and that a waker only changes the state of a
 * thread that is about to sleep. Each process has its own open file; see share.pml for
 * threads that share one.
 *
 * A lost wake-up is a process that does not end: an invalid end state.
 *
 * Twins (-D): NO_E, NO_F and NO_F_POLL leave out a barrier, LOOK_FIRST joins the queue
 * after the check.
 */
#ifndef WRITERS
#define WRITERS		1
#endif
#ifndef LINES
#define LINES		2	/* of each writer */
#endif
#ifndef READERS
#define READERS		1
#endif
#ifndef POLLERS
#define POLLERS		1
#endif

#define SLEEPERS	(READERS + POLLERS)
#define THREADS		(SLEEPERS + WRITERS)
#define LAST		(WRITERS * LINES)	/* the last generation */

#define RUNNING		0
#define INTERRUPTIBLE	1

/* Places of stores. */
#define GENERATION	0
#define RING_LOCK	1
#define WAIT_LOCK	2
#define QUEUED		3	/* these are the sleeper's own */
#define STATE		4

byte generation;
bit ring_lock;
bit wait_lock;
bit queued[SLEEPERS];		/* 3 at most, see IS_ACTIVE */
bit state[SLEEPERS];
bit triggered[SLEEPERS];	/* of a poller */

chan buffer[THREADS] = [3] of { byte, byte };

#define store(place, value)	buffer[me]!place, value
#define full_barrier()		empty(buffer[me])

/* The oldest store of a thread reaches the memory at any moment. */
proctype memory(byte me)
{
	byte place, value;

end:	do
	:: atomic {
		buffer[me]?place, value ->
		if
		:: place == GENERATION -> generation = value
		:: place == RING_LOCK -> ring_lock = value
		:: place == WAIT_LOCK -> wait_lock = value
		:: place == QUEUED -> queued[me] = value
		:: place == STATE -> state[me] = value
		fi;
		place = 0;
		value = 0
	}
	od
}

#define IS_ACTIVE	(queued[0] || queued[SLEEPERS / 2] || queued[SLEEPERS - 1])

/* lastline_channel_wake_queue(), under the queue's lock. */
inline wake_waiting()
{
	atomic { !wait_lock -> wait_lock = 1 };
	i = 0;
	do
	:: i < SLEEPERS ->
		full_barrier();
		d_step {
			if
			:: queued[i] && i < READERS -> state[i] = RUNNING
			:: queued[i] && i >= READERS -> triggered[i] = 1
			:: else
			fi;
			i++
		}
	:: else -> i = 0; break
	od;
	wait_lock = 0
}

proctype writer(byte me)
{
	byte lines, i;

	do
	:: lines < LINES ->
		lines++;
		atomic { !ring_lock -> ring_lock = 1 };
		store(GENERATION, generation + 1);
		store(RING_LOCK, 0);
#ifndef NO_E
		full_barrier();		/* (E) */
#endif
		if
		:: IS_ACTIVE -> wake_waiting()
		:: else
		fi
	:: else -> break
	od
}

inline change_queue(value)
{
	atomic { !wait_lock -> wait_lock = 1 };
	store(QUEUED, value);
	store(WAIT_LOCK, 0)
}

/* wait_and_read() */
proctype reader(byte me)
{
	byte seen;

	do
	:: seen < LAST ->
#ifndef LOOK_FIRST
		change_queue(1);
#endif
		do
		:: true ->
#ifndef LOOK_FIRST
			store(STATE, INTERRUPTIBLE);
#ifndef NO_F
			full_barrier();		/* (F) */
#endif
#endif
			if
			:: generation != seen -> break
			:: else
			fi;
#ifdef LOOK_FIRST
			change_queue(1);
			store(STATE, INTERRUPTIBLE);
#endif
			full_barrier();		/* schedule() has one */
			state[me] == RUNNING
		od;
		store(STATE, RUNNING);
		assert(generation > seen);
		seen = generation;
		change_queue(0)
	:: else -> break
	od
}

/* poll(), and a read after which everything is seen. */
proctype poller(byte me)
{
	byte seen;

	do
	:: seen < LAST ->
		change_queue(1);
#ifndef NO_F_POLL
		full_barrier();			/* (F) */
#endif
		do
		:: generation != seen -> break
		:: else ->
			/* A flag that wakers set instead of a state. */
			atomic { triggered[me] -> triggered[me] = 0 };
			full_barrier()
		od;
		assert(generation > seen);
		seen = generation;
		change_queue(0);
		full_barrier();
		triggered[me] = 0
	:: else -> break
	od
}

init {
	byte i;

	atomic {
		do
		:: i < THREADS ->
			run memory(i);
			if
			:: i < READERS -> run reader(i)
			:: i >= READERS && i < SLEEPERS -> run poller(i)
			:: else -> run writer(i)
			fi;
			i++
		:: else -> break
		od;
		i = 0
	}
}
