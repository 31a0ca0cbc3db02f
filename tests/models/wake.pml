/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * No wake-up is lost: a writer publishes, then checks the wait queue; a reader joins the
 * queue, then checks the generation. Models lastline_channel_wake(), wait_and_read() and
 * lastline_poll().
 *
 * Each thread has a store buffer. Its stores reach memory in order, but at any later time;
 * meanwhile its loads may return old values of other variables. Only a full barrier waits
 * until the buffer is empty. A lock is free when the store that releases it reaches memory.
 *
 * From the kernel the model has add_wait_queue() and __wake_up() under the queue's lock, and
 * the full barriers in try_to_wake_up() and schedule(). A waker changes only the state of a
 * thread that is about to sleep. Each process has its own open file; share.pml models
 * threads that share one.
 *
 * A lost wake-up shows as a process that does not end: an invalid end state.
 *
 * Faulty variants (-D): NO_E, NO_F and NO_F_POLL leave out a barrier, CHECK_FIRST joins the
 * queue after the check.
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

/* Variables in a store buffer. */
#define GENERATION	0
#define RING_LOCK	1
#define WAIT_LOCK	2
#define QUEUED		3	/* this and the next: of the thread */
#define STATE		4

byte generation;
bit ring_lock;
bit wait_lock;
bit queued[SLEEPERS];		/* at most 3, see IS_ACTIVE */
bit state[SLEEPERS];
bit triggered[SLEEPERS];	/* flag of a poller */

chan buffer[THREADS] = [3] of { byte, byte };

#define store(variable, value)	buffer[me]!variable, value
#define full_barrier()		empty(buffer[me])

/* The oldest store of a thread reaches memory at any time. */
proctype memory(byte me)
{
	byte variable, value;

end:	do
	:: atomic {
		buffer[me]?variable, value ->
		if
		:: variable == GENERATION -> generation = value
		:: variable == RING_LOCK -> ring_lock = value
		:: variable == WAIT_LOCK -> wait_lock = value
		:: variable == QUEUED -> queued[me] = value
		:: variable == STATE -> state[me] = value
		fi;
		variable = 0;
		value = 0
	}
	od
}

#define IS_ACTIVE	(queued[0] || queued[SLEEPERS / 2] || queued[SLEEPERS - 1])

/* lastline_channel_wake_queue(), under the queue's lock. */
inline wake_queue()
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
		:: IS_ACTIVE -> wake_queue()
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
#ifndef CHECK_FIRST
		change_queue(1);
#endif
		do
		:: true ->
#ifndef CHECK_FIRST
			store(STATE, INTERRUPTIBLE);
#ifndef NO_F
			full_barrier();		/* (F) */
#endif
#endif
			if
			:: generation != seen -> break
			:: else
			fi;
#ifdef CHECK_FIRST
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

/* poll(), then a read of the latest line. */
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
