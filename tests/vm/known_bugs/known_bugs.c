// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module with one deliberate bug, selected by its parameter. The debug kernels must
 * detect them, and tests/vm/run must fail.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

static char *bug = "none";
module_param(bug, charp, 0);
MODULE_PARM_DESC(bug, "name of the bug");

static volatile int sink;	/* keeps reads from being optimized away */

static void use_after_free(void)
{
	int *number = kzalloc(sizeof(*number), GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(number);
	kfree(number);
	sink = *number;
}

/* In vmalloc memory, like a channel's slots. */
static void out_of_bounds(void)
{
	char *buf = vmalloc(100);

	OPTIMIZER_HIDE_VAR(buf);
	sink = buf[100];
	vfree(buf);
}

static void leak(void)
{
	void *lost = kmalloc(100, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(lost);
}

static DEFINE_MUTEX(first);
static DEFINE_MUTEX(second);

static void lock_order(void)
{
	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);
	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
}

static DEFINE_SPINLOCK(spinlock);

static void sleep_in_atomic(void)
{
	spin_lock(&spinlock);
	might_sleep();
	spin_unlock(&spinlock);
}

static void rcu_unprotected(void)
{
	static int __rcu *pointer;

	sink = !!rcu_dereference(pointer);
}

static void processor_id(void)
{
	sink = smp_processor_id();
}

static void undefined(void)
{
	static int numbers[4];
	int i = ARRAY_SIZE(numbers);

	OPTIMIZER_HIDE_VAR(i);
	numbers[i] = sink;
}

static void on_time(struct timer_list *timer)
{
}

static void live_object(void)
{
	struct object {
		struct timer_list timer;
	} *object = kzalloc(sizeof(*object), GFP_KERNEL);

	timer_setup(&object->timer, on_time, 0);
	mod_timer(&object->timer, jiffies + 1000 * HZ);
	kfree(object);
}

static int shared;

static int racer(void *done)
{
	unsigned long end = jiffies + 3 * HZ;

	while (time_before(jiffies, end)) {
		shared++;
		/* Keep the compiler from adding in a register. */
		barrier();
		cond_resched();
	}
	complete(done);
	return 0;
}

static void race(void)
{
	DECLARE_COMPLETION_ONSTACK(done);
	int i;

	for (i = 0; i < 2; i++)
		kthread_run(racer, &done, "racer");
	wait_for_completion(&done);
	wait_for_completion(&done);
}

static const struct {
	const char *name;
	void (*trigger)(void);
} bugs[] = {
	{ "none" },
	{ "use-after-free", use_after_free },
	{ "out-of-bounds", out_of_bounds },
	{ "leak", leak },
	{ "lock-order", lock_order },
	{ "sleep-in-atomic", sleep_in_atomic },
	{ "rcu-unprotected", rcu_unprotected },
	{ "processor-id", processor_id },
	{ "undefined", undefined },
	{ "live-object", live_object },
	{ "race", race },
};

static int __init known_bugs_init(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(bugs); i++) {
		if (!strcmp(bug, bugs[i].name)) {
			if (bugs[i].trigger)
				bugs[i].trigger();
			return 0;
		}
	}
	return -EINVAL;
}
module_init(known_bugs_init);

static void __exit known_bugs_exit(void)
{
}
module_exit(known_bugs_exit);

MODULE_DESCRIPTION("A module with deliberate bugs");
MODULE_LICENSE("GPL");
