/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A reader returns a line although writers overwrite each line while it copies: after
 * MAX_RETRIES attempts it takes the lock. Models snapshot_latest().
 *
 * The writers never end, so generations wrap around: they are compared for equality only.
 * (A reader does not detect exactly ROUND newer lines, which only helps it.) The lock is a
 * ticket lock, as fair as the kernel's spinlocks.
 *
 * The error is a non-progress cycle: an execution that never passes the label "progress"
 * again, under weak fairness.
 *
 * Faulty variants (-D): NO_LOCK retries forever, UNFAIR has a lock without tickets.
 */
#ifndef SLOTS
#define SLOTS		4
#endif
#ifndef WRITERS
#define WRITERS		1
#endif
#ifndef MAX_RETRIES
#define MAX_RETRIES	3
#endif

#define ROUND		(2 * SLOTS)
#define FILLING		ROUND
#define TICKETS		(WRITERS + 1)

byte generation;
byte slot_generation[SLOTS];
byte next_ticket, served;

#ifdef UNFAIR
inline lock()
{
	atomic { next_ticket == served -> next_ticket = (served + 1) % TICKETS }
}
#else
inline lock()
{
	d_step {
		ticket = next_ticket;
		next_ticket = (next_ticket + 1) % (TICKETS + 1)
	};
	served == ticket
}
#endif

inline unlock()
{
#ifdef UNFAIR
	served = (served + 1) % TICKETS
#else
	served = (served + 1) % (TICKETS + 1)
#endif
}

active [WRITERS] proctype writer()
{
	byte ticket, g;

	do
	:: true ->
		lock();
		g = (generation + 1) % ROUND;
		slot_generation[g % SLOTS] = FILLING;
		slot_generation[g % SLOTS] = g;
		generation = g;
		unlock()
	od
}

active proctype reader()
{
	byte ticket, g, tries;

	do
	:: true ->
		tries = 0;
		do
#ifndef NO_LOCK
		:: tries == MAX_RETRIES ->
			lock();
			g = generation;
			assert(slot_generation[g % SLOTS] == g);
			unlock();
			break
		:: tries < MAX_RETRIES ->
			tries++;
#else
		:: true ->
#endif
			g = generation;
			if
			:: slot_generation[g % SLOTS] == g
			:: else -> goto again
			fi;
			/* Here it copies. */
			if
			:: slot_generation[g % SLOTS] == g -> break
			:: else
			fi;
again:			skip
		od;
progress:	skip
	od
}
