/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Copying the latest line without a lock: a reader never returns a torn line, an older line,
 * or bytes of a slot that is being filled. Models ring.h and snapshot_latest().
 *
 * Spin does not reorder accesses, so the model does. All stores happen in program order. A
 * load may return any value that the variable ever had, unless the reader knows a later
 * store to it. What a reader knows is the number of a store: it knows all stores up to it.
 *
 * Each store carries knowledge: of all stores before the writer's last write barrier (B), or,
 * if it is a release (C), of all stores before it. A reader that loads the value gets this
 * knowledge at once if the load is an acquire (A), otherwise at its next read barrier (D).
 *
 * Store-store, load-load and store-load order are weaker than on any machine. Address
 * dependencies order nothing.
 *
 * One writer is enough: writers hold the lock from lastline_ring_reserve() to
 * lastline_ring_commit(), and the lock passes on their knowledge. One reader is enough: it
 * changes nothing.
 *
 * Faulty variants (-D): NO_A, NO_B, NO_C, NO_D1 and NO_D2 leave out a barrier, NO_CHECK1 and
 * NO_CHECK2 a lastline_ring_still_valid(), NO_MARK the mark "filling", NO_LOCK the reader's
 * lock.
 */
#ifndef SLOTS
#define SLOTS		4
#endif
#ifndef ATTEMPTS
#define ATTEMPTS	6	/* slots that the writer reserves */
#endif
#ifndef DISCARDS
#define DISCARDS	1	/* slots that it discards */
#endif

/* The stores of one attempt, in the order of the code. */
#define MARK		1	/* slot->generation = filling */
#define BYTES		2	/* the line, in two steps */
#define BYTES2		3
#define OFFSET		4	/* and the time */
#define LENGTH		5
#define LABEL		6	/* slot->generation = g */
#define PUBLISH		7	/* generation = g */
#define STEPS		7

byte stored;			/* number of stores so far, and of the last one */
byte attempts;
byte latest;			/* the writer's copy of the generation */
byte discards;
byte generation_of[ATTEMPTS + 1];	/* 0: the zeros of a new channel */
bit discarded[ATTEMPTS + 1];
bit locked;

/* Attempt, step and generation of the store with this number. */
#define ATTEMPT(n)	(((n) + STEPS - 1) / STEPS)
#define STEP(n)		(1 + ((n) + STEPS - 1) % STEPS)
#define GENERATION(n)	(generation_of[ATTEMPT(n)])

#ifdef NO_MARK
#define IS_MARKED(n)	(STEP(n) != MARK)
#else
#define IS_MARKED(n)	true
#endif
#define IS_MADE(n)	(IS_MARKED(n) && !(discarded[ATTEMPT(n)] && STEP(n) >= LABEL))

/* Is store @n one to the variable of @step? A slot's generation is stored twice. */
#define IS_STORE(n, step) \
	(IS_MADE(n) && (STEP(n) == (step) || ((step) == LABEL && STEP(n) == MARK)) && \
	 ((step) == PUBLISH || GENERATION(n) % SLOTS == slot))

/* The last store before the last write barrier before store @n. */
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
		:: discards < DISCARDS ->
			atomic {	/* zeros are as wrong as the bytes before */
				discards++;
				discarded[attempts] = 1;
				stored = attempts * STEPS
			}
		fi;
		unlock()
	:: else -> break
	od
}

/* Sets @n to the number of the store whose value is loaded; 0 is the initial value. */
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
inline snapshot()
{
	atomic {
		/* Coherence: a variable does not return to an older value. */
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
inline check()
{
	atomic {
		least = known;
		load(LABEL);
		valid = (n == 0 -> g == 0 : STEP(n) == LABEL && GENERATION(n) == g);
		n = 0
	}
}

#define IS_OF_LINE(attempt)	(generation_of[attempt] == g && !discarded[attempt])

active proctype reader()
{
	byte known, pending, least, newest;
	byte n, g, slot, offset, length, bytes, bytes2;
	byte seen;
	bit valid;

again:
	snapshot();
#ifndef NO_D1
	read_barrier();
#endif
#ifndef NO_CHECK1
	check();
	if
	:: !valid -> goto retry
	:: else
	fi;
#endif
	/* The reader now uses them; wrong ones could lead out of the slot. */
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
#ifndef NO_CHECK2
	check();
	if
	:: !valid -> goto retry
	:: else
	fi;
#endif
	goto copied;

retry:	/* Retry without the lock any number of times, or take it. */
	if
	:: goto again
	:: skip
	fi;
#ifndef NO_LOCK
	lock();
	known = stored;
#endif
	snapshot();
	atomic { least = known; load(BYTES); bytes = ATTEMPT(n) };
	atomic { least = known; load(BYTES2); bytes2 = ATTEMPT(n) };
#ifndef NO_LOCK
	unlock();
#endif
	assert(IS_OF_LINE(offset) && IS_OF_LINE(length));

copied:
	assert(IS_OF_LINE(bytes) && IS_OF_LINE(bytes2));
	assert(g >= seen);
	d_step { seen = g; offset = 0; length = 0; bytes = 0; bytes2 = 0 };
	goto again
}
