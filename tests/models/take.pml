/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Taking a line without a lock: never a torn line, an older one, or one of a slot that is
 * being filled. ring.h and snapshot_latest().
 *
 * Spin does not reorder accesses, so the model does. It keeps all stores in program order.
 * A load may return any value that its place ever had, except for those that were
 * overwritten as far as the reader knows. What a reader knows is a number: all stores up to
 * that one.
 *
 *	a store	carries what the writer stored before its last write barrier (B); a
 *		release (C) carries everything before it
 *	a load	that is an acquire (A) makes known what the store carried; for any other
 *		load the next read barrier (D) does
 *
 * For stores with stores, loads with loads, and stores with later loads this is weaker than
 * any machine. Address dependencies do not help the reader.
 *
 * One writer is enough: writers hold the lock from lastline_ring_reserve() to lastline_ring_commit(), and
 * the lock passes on what is known. One reader is enough: it changes nothing.
 *
 * Twins (-D): NO_A, NO_B, NO_C, NO_D1 and NO_D2 leave out a barrier, NO_LOOK1 and NO_LOOK2
 * a lastline_ring_still_valid(), NO_MARK the "filling", NO_LOCK the reader's lock.
 */
#ifndef SLOTS
#define SLOTS		4
#endif
#ifndef ATTEMPTS
#define ATTEMPTS	6	/* how often the writer begins a line */
#endif
#ifndef ABORTS
#define ABORTS		1	/* how often it gives up */
#endif

/* The stores of one attempt, in the order of the code. */
#define MARK		1	/* slot->generation = filling */
#define BYTES		2	/* the line, in two steps */
#define BYTES2		3
#define OFFSET		4	/* where it lies in the slot; the time, too */
#define LENGTH		5
#define LABEL		6	/* slot->generation = g */
#define PUBLISH		7	/* generation = g */
#define STEPS		7

byte stored;			/* stores so far; a store's number is its place in that */
byte attempts;
byte latest;			/* what the writer knows without looking */
byte aborts;
byte generation_of[ATTEMPTS + 1];	/* 0: the zeroes of a new channel */
bit aborted[ATTEMPTS + 1];
bit locked;

/* Of the store with this number. */
#define ATTEMPT(n)	(((n) + STEPS - 1) / STEPS)
#define STEP(n)		(1 + ((n) + STEPS - 1) % STEPS)
#define GENERATION(n)	(generation_of[ATTEMPT(n)])

#ifdef NO_MARK
#define IS_MARKED(n)	(STEP(n) != MARK)
#else
#define IS_MARKED(n)	true
#endif
#define IS_MADE(n)	(IS_MARKED(n) && !(aborted[ATTEMPT(n)] && STEP(n) >= LABEL))

/* Was it made, to the place of @step? A slot's generation is stored twice. */
#define IS_STORE(n, step) \
	(IS_MADE(n) && (STEP(n) == (step) || ((step) == LABEL && STEP(n) == MARK)) && \
	 ((step) == PUBLISH || GENERATION(n) % SLOTS == slot))

/* All stores up to the last write barrier before it. */
#ifdef NO_B
#define FENCED(n)	0
#else
#define FENCED(n)	(STEP(n) > MARK -> (n) - STEP(n) + MARK : \
			 ((n) > STEPS -> (n) - STEPS : 0))
#endif
#ifdef NO_C
#define CARRIED(n)	FENCED(n)
#else
#define CARRIED(n)	(STEP(n) == PUBLISH -> (n) : FENCED(n))
#endif

#define raise(variable, value) \
	if \
	:: (value) > variable -> variable = value \
	:: else \
	fi

#define lock()		atomic { !locked -> locked = 1 }
#define unlock()	locked = 0

active proctype writer()
{
	do
	:: attempts < ATTEMPTS ->
		lock();
		atomic {
			attempts++;
			generation_of[attempts] = latest + 1;
			stored++	/* MARK */
		};
		/* (B) is in FENCED() */
		stored++;		/* BYTES */
		stored++;
		if
		:: stored++;		/* OFFSET */
			stored++;	/* LENGTH */
			stored++;	/* LABEL */
			/* (C) is in CARRIED() */
			atomic {
				stored++;
				latest++
			}
		:: aborts < ABORTS ->
			atomic {	/* what lastline_ring_discard() wipes is as wrong as before */
				aborts++;
				aborted[attempts] = 1;
				stored = attempts * STEPS
			}
		fi;
		unlock()
	:: else -> break
	od
}

/* Leaves in @n the number of the store that is read; 0 is the initial value. */
inline load(step)
{
	n = stored;
	do
	:: n > 0 && (!IS_STORE(n, step) || n > least) -> n--
	:: n == 0 || IS_STORE(n, step) -> break
	od;
	if
	:: n > 0 -> raise(pending, CARRIED(n))
	:: else
	fi
}

#define read_barrier()	raise(known, pending)

/* lastline_ring_snapshot() */
inline take()
{
	atomic {
		/* A place never goes back to an older value. */
		least = (known > newest -> known : newest);
		load(PUBLISH);
		newest = n;
		g = GENERATION(n);
		slot = g % SLOTS;
#ifndef NO_A
		raise(known, (n > 0 -> CARRIED(n) : 0));
#endif
		least = known
	};
	atomic { least = known; load(OFFSET); offset = ATTEMPT(n) };
	atomic { least = known; load(LENGTH); length = ATTEMPT(n) }
}

/* lastline_ring_still_valid() */
inline look()
{
	atomic {
		least = known;
		load(LABEL);
		intact = (n == 0 -> g == 0 : STEP(n) == LABEL && GENERATION(n) == g);
		n = 0
	}
}

#define IS_OF_LINE(attempt)	(generation_of[attempt] == g && !aborted[attempt])

active proctype reader()
{
	byte known, pending, least, newest;
	byte n, g, slot, offset, length, bytes, bytes2;
	byte seen;
	bit intact;

again:
	take();
#ifndef NO_D1
	read_barrier();
#endif
#ifndef NO_LOOK1
	look();
	if
	:: !intact -> goto lapped
	:: else
	fi;
#endif
	/* From here on the reader trusts the two: wrong ones lead out of the slot. */
	assert(IS_OF_LINE(offset) && IS_OF_LINE(length));
	if
	:: g == seen -> goto again
	:: else
	fi;
	atomic { least = known; load(BYTES); bytes = ATTEMPT(n) };
	atomic { least = known; load(BYTES2); bytes2 = ATTEMPT(n) };
#ifndef NO_D2
	read_barrier();
#endif
#ifndef NO_LOOK2
	look();
	if
	:: !intact -> goto lapped
	:: else
	fi;
#endif
	goto taken;

lapped:	/* More unlocked tries, any number, or the lock. */
	if
	:: goto again
	:: skip
	fi;
#ifndef NO_LOCK
	lock();
	known = stored;
#endif
	take();
	atomic { least = known; load(BYTES); bytes = ATTEMPT(n) };
	atomic { least = known; load(BYTES2); bytes2 = ATTEMPT(n) };
#ifndef NO_LOCK
	unlock();
#endif
	assert(IS_OF_LINE(offset) && IS_OF_LINE(length));

taken:
	assert(IS_OF_LINE(bytes) && IS_OF_LINE(bytes2));
	assert(g >= seen);
	d_step { seen = g; offset = 0; length = 0; bytes = 0; bytes2 = 0 };
	goto again
}
