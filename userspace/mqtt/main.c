// SPDX-License-Identifier: GPL-2.0-only
/* lastline-mqtt(1): a bridge between channels and MQTT topics. */
#include <signal.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>

#include "incoming.h"
#include "link.h"
#include "outgoing.h"
#include "status.h"

#define TICK_US	1000000

/**
 * struct program - the bridge and its command line, which SIGHUP parses again
 * @bridge: the bridge
 * @argc:   number of arguments
 * @argv:   arguments
 */
struct program {
	struct bridge bridge;
	int argc;
	char **argv;
};

static int on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	struct bridge *bridge = arg;

	link_tick(bridge->link);
	outgoing_tick(bridge);
	incoming_tick(bridge);
	check_event(sd_event_source_set_time_relative(source, TICK_US));
	check_event(sd_event_source_set_enabled(source, SD_EVENT_ONESHOT));
	return 0;
}

static int on_terminate(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct bridge *bridge = arg;

	return sd_event_exit(bridge->event, 0);
}

/* Mappings and a connection whose settings did not change are kept. */
static void apply_settings(struct bridge *bridge, struct settings *settings)
{
	struct settings *old = bridge->settings;
	bool reconnect = old && !settings_same_connection(old, settings);

	if (reconnect) {
		link_close(bridge->link);
		status_stop(bridge->status);
	}
	bridge->settings = settings;
	if (reconnect || !old)
		bridge->status = status_start(bridge, !old);
	outgoing_set(bridge, &settings->publish);
	incoming_set(bridge, &settings->subscribe);
	if (reconnect || !old)
		link_open(bridge->link);
	if (old)
		settings_free(old);
}

static int on_hangup(sd_event_source *source, const struct signalfd_siginfo *info, void *arg)
{
	struct program *program = arg;
	struct settings *settings;

	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)now_ns(CLOCK_MONOTONIC) / 1000);
	settings = settings_reload(program->argc, program->argv);
	if (settings)
		apply_settings(&program->bridge, settings);
	warn(settings ? "configuration reloaded" :
		 "cannot reload the configuration; the previous one stays in effect");
	sd_notify(0, "READY=1");
	return 0;
}

/* Each channel needs an open file. */
static void raise_limit(void)
{
	struct rlimit limit;

	if (!getrlimit(RLIMIT_NOFILE, &limit)) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static void add_sources(struct program *program)
{
	struct bridge *bridge = &program->bridge;
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	check_event(sd_event_add_signal(bridge->event, NULL, SIGTERM, on_terminate, bridge));
	check_event(sd_event_add_signal(bridge->event, NULL, SIGINT, on_terminate, bridge));
	check_event(sd_event_add_signal(bridge->event, NULL, SIGHUP, on_hangup, program));
	check_event(sd_event_add_time_relative(bridge->event, NULL, CLOCK_MONOTONIC, TICK_US,
					       0, on_tick, bridge));
}

static void start(struct program *program, struct settings *settings)
{
	struct bridge *bridge = &program->bridge;

	check_event(sd_event_new(&bridge->event));
	check_event(sd_event_set_watchdog(bridge->event, true));
	bridge->started_ns = now_ns(CLOCK_MONOTONIC);
	bridge->link = link_new(bridge);
	bridge->incoming = incoming_new();
	add_sources(program);
	apply_settings(bridge, settings);
	sd_notify(0, "READY=1");
}

static void stop(struct bridge *bridge)
{
	const struct mappings none = {};

	sd_notify(0, "STOPPING=1");
	link_close(bridge->link);
	status_stop(bridge->status);
	outgoing_set(bridge, &none);
	incoming_set(bridge, &none);
	incoming_free(bridge->incoming);
	link_free(bridge->link);
	settings_free(bridge->settings);
	sd_event_unref(bridge->event);
}

int main(int argc, char **argv)
{
	struct program program = { .argc = argc, .argv = argv };
	struct settings *settings;

	/* SIGCHLD may be inherited as ignored, and then waitpid() would fail. */
	signal(SIGCHLD, SIG_DFL);
	mosquitto_lib_init();
	settings = settings_parse(argc, argv);
	if (settings->status)
		return status_print(settings);
	raise_limit();
	start(&program, settings);
	check_event(sd_event_loop(program.bridge.event));
	stop(&program.bridge);
	mosquitto_lib_cleanup();
	return STATUS_OK;
}
