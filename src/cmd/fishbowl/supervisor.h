/* SPDX-License-Identifier: Apache-2.0 */
/*
 * supervisor - `fishbowl run`: opens NICs, files and rings, starts the processes, restarts them,
 * audits them, answers `fishbowl status` and `fishbowl ctl`. It never reads a byte that an attacker
 * sent: of the rings it maps only its own, and the counts files are numbers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "capture/ring_kind.h"
#include "cmd/fishbowl/orders.h"
#include "conf/conf.h"
#include "event/event.h"
#include "sys/chan.h"
#include "sys/counts.h"
#include "sys/jail.h"

struct nic_set;
struct ring;

#define SUP_NS_PER_S 1000000000LL

enum sup_child_state { SUP_DOWN, SUP_STARTING, SUP_UP, SUP_STOPPING };

struct sup_child {
	enum chan_process process;
	enum sup_child_state state;
	pid_t pid;
	struct chan chan;
	struct jail_user user;
	int64_t since_ns; /* of the state */
	int64_t alive_ns; /* last heartbeat */
	int64_t restart_at_ns;
	int64_t backoff_ns;
	unsigned starts;
	int landlock_abi;
	uint64_t policy;   /* fb-gate: generation of the policy it got with START */
	uint64_t rules;    /* fb-gate: the same of the rules */
	bool was_killed;   /* its last end was a SIGKILL: not its own fault */
	bool failed_start; /* its last end came by itself, before it was ready */
	char why[96];      /* the last end, in words */
};

struct sup_port {
	char name[CHAN_NIC_MAX];
	int fd;        /* -1 once the gate has it */
	int merged_fd; /* the same; -1: none, its frames go one by one */
	struct port_info info;
	int spare_fd; /* opened for the next gate while the last one still works; -1: none */
	struct port_info spare_info;
	bool present;
	bool link;
	/* Frames the NIC counts less those the gate has accounted for, when this gate started: before
	 * and after its socket was opened. */
	uint64_t base, base_open;
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};

enum sup_audit_state { SUP_AUDIT_IDLE, SUP_AUDIT_WAITS };

struct sup_audit {
	enum sup_audit_state state;
	uint64_t id;
	int64_t next_ns; /* when to begin the next one */
	int64_t since_ns;
	uint64_t nic_before, nic_after;
	bool answered[CHAN_PROCESSES];
	struct message_audited answer[CHAN_PROCESSES];
	bool undisturbed; /* no process was started since the audit began */
	/* The last result, for status. */
	int64_t last_wall_ns;
	bool last_agree;
	char last_detail[256];
};

/* Nobody acknowledges any more (setting `attendance`): three quarters of the time, all of it. */
enum sup_absence { SUP_PRESENT, SUP_LATE, SUP_ABSENT };

/* What the gate judges by, and what it is made from beside the configuration. */
struct sup_policy {
	struct orders orders;
	struct list list[LIST_COUNT];  /* of the configuration and its files */
	int64_t rules_end_ns;          /* wall time when the next rule of these ends; 0: none */
	uint64_t image;                /* generation of the image in fd[ROLE_POLICY] */
	uint64_t sent;                 /* of the one that fb-gate was given last */
	uint64_t applied;              /* of the one that it judges by */
	int64_t refused;               /* its answer to `sent`: 0 or -errno */
	struct message_applied killed; /* its last answer to KILL_FLOW */
	enum sup_absence absence;
	int64_t absent_base_ns,
		absent_from_ns;   /* absent for base at that steady time, when it was read */
	int64_t absence_saved_ns; /* steady */
	bool nics_locked;
	int64_t again_ns;            /* when to try again what failed */
	int save_error;              /* orders.json could not be written: errno */
	char nic_error[256];         /* the NICs could not be locked or unlocked */
	char damage[ORDERS_WHY_MAX]; /* what was wrong with orders.json at the start */
	struct stat file;            /* orders.json as it was last written or read */
};

/* What fb-lens has asked for. */
struct sup_lens {
	bool wants;
	uint64_t number;
	int64_t next_look_ns;
};

/* What fb-rules made of the files in the configuration. */
struct sup_rule_set {
	int fd;      /* the image; -1: none */
	bool wanted; /* there are files */
	uint64_t loaded, refused;
	int64_t ns; /* that it took */
	char refusals[CHAN_REFUSALS_MAX];
};

struct sup_rules {
	struct sup_rule_set set; /* in fd[ROLE_RULES] */
	uint64_t image;          /* generation of it */
	uint64_t sent;           /* of those that fb-gate was given last */
	uint64_t applied;        /* of those that it holds frames against */
	int64_t refused;         /* its answer to `sent`: 0 or -errno */
	pid_t pid;               /* of fb-rules while it works; 0 */
	char fault[1024];        /* why there are none */
};

struct supervisor {
	const struct conf *conf;
	struct conf *own_conf;         /* after a reload: `conf` is this one */
	const struct conf *first_conf; /* before: the caller's */
	char honeynet[CHAN_NAME_MAX];
	int run_dir, state_dir, lock_fd;
	int ram_dir; /* of rings, flow table and counters: run_dir, or one in /dev/shm */
	char ram_name[48];
	int fd[ROLE_COUNT]; /* -1: none. COUNTS and PORT are elsewhere */
	int counts_fd[CHAN_PROCESSES];
	void *counts[CHAN_PROCESSES];
	uint64_t boot;
	bool same_boot;
	struct ring *records;
	void *records_memory;
	size_t records_size;
	struct ring *frames; /* for its fill only: no entry is looked at */
	void *frames_memory;
	uint64_t records_lost;
	struct sup_child child[CHAN_PROCESSES];
	/* A program that waits for START: it takes the place of the gate that is asked to end. */
	pid_t spare_pid; /* 0: none */
	int spare_fd;
	int64_t gate_stopped_ns; /* when the last gate was asked to end */
	int64_t gate_gap_ns;     /* from then to the next one that was ready */
	struct sup_port port[CHAN_PORTS_MAX];
	unsigned n_ports;
	struct nic_set *nics;
	int signal_fd, ctl_fd;
	int watch_fd[2];         /* of the NICs, borrowed */
	int64_t clock_offset_ns; /* CLOCK_REALTIME - CLOCK_BOOTTIME when last looked */
	int64_t started_ns;
	int64_t watchdog_ns, next_watchdog_ns;
	struct sup_audit audit;
	struct sup_policy policy;
	struct sup_lens lens;
	struct message_file_done file_done; /* fb-vault's last answer */
	uint64_t file_orders;
	struct sup_rules rules;
	int stopping; /* 0, 1 = in order, 2 = hurry */
	bool running; /* all processes were up once */
	int64_t stop_since_ns;
	bool fault;       /* the run ends because it cannot go on */
	bool want_reload; /* SIGHUP */
};

int64_t sup_now(void);    /* CLOCK_MONOTONIC, ns */
int64_t sup_wall(void);   /* CLOCK_REALTIME, ns */
int64_t sup_steady(void); /* CLOCK_BOOTTIME, ns: goes on while the machine sleeps */

/* One line to the terminal (or the service log). */
void sup_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* supervisor_record.c: into record-supervisor.ring; a full ring is counted. */
void sup_record(struct supervisor *s, struct record *record);
void sup_control(struct supervisor *s, enum reason reason, const char *process, const char *fmt,
	...) __attribute__((format(printf, 4, 5)));
/* The same for what somebody ordered, about one honeypot or (NULL) none. */
void sup_control_by(struct supervisor *s, enum reason reason, const char *operator,
	const char * honeypot, const char *process, const char *detail);
void sup_stats(struct supervisor *s);

/* supervisor_files.c. Each says on stderr what is wrong and what to do; 0 or -errno. */
int sup_dirs_open(struct supervisor *s);
/* Takes the lock; waits for the processes of a killed run. */
int sup_lock(struct supervisor *s);
/* True when the files left by an earlier run fit this one and it may go on with them. */
bool sup_files_fit(const struct supervisor *s);
/* True when there is anything to drain; then the files are open as they are. */
bool sup_files_open_old(struct supervisor *s);
/* After a clean stop: gives the memory back that is not in run_dir. What is not written yet stays. */
void sup_files_forget(struct supervisor *s);
void sup_files_close(struct supervisor *s);
int sup_files_open(struct supervisor *s);
/* The next run does not go on with these rings. */
void sup_files_spoil(struct supervisor *s);
/* The bytes of that file in a sealed memfd. */
int sup_conf_copy(const char *path, int *ret_fd);
int sup_conf_snapshot(struct supervisor *s);

/* supervisor_policy.c */
/* Reads orders and lists; damaged orders are no failure but a lockdown. */
int sup_policy_open(struct supervisor *s);
void sup_policy_close(struct supervisor *s);
/* Before a gate starts: its image is there, also of what somebody else wrote into orders.json while this
 * process did not answer. */
int sup_policy_for_gate(struct supervisor *s);
/* Orders or configuration have changed: saves the orders, makes the image, locks or unlocks the NICs. 0, or
 * -errno: the old image holds. */
int sup_policy_make(struct supervisor *s);
/* The same, sends it, and waits a moment for the gate, serving the other processes meanwhile. 0: it is in
 * force; -ENOTCONN: no gate runs; -ETIMEDOUT: no answer yet; else -errno: refused, the old one holds. */
int sup_policy_change(struct supervisor *s);
/* Ends a conversation. Results as above; -ENOENT: there is none of that id. */
int sup_policy_kill_flow(struct supervisor *s, uint64_t flow_id);
void sup_policy_applied(struct supervisor *s, const struct message_applied *applied);
/* What ends by itself; attendance. */
void sup_policy_tick(struct supervisor *s);
/* Somebody is there. Call it before sup_policy_change(). */
void sup_attended(struct supervisor *s);
/* About a file that is kept (enum file_order); waits a moment for fb-vault. 0; -ENOENT: there is none;
 * -ENOTCONN: no fb-vault runs; -ETIMEDOUT: no answer; or its -errno. */
int sup_file_order(struct supervisor *s, uint32_t what, const uint8_t sha256[static 32]);
int64_t sup_absent_ns(const struct supervisor *s);
/* "75 min" */
const char *sup_age_text(int64_t ns, char buf[static 32]);
/* What holds for honeypot `n` now. */
struct policy_pot sup_policy_pot(const struct supervisor *s, size_t n);
/* Nothing passes from now on, whether the gate obeys or not. sup_policy_change()'s result. */
int sup_lockdown(struct supervisor *s, const char *operator, const char * reason, uint64_t *ret_id);

/* supervisor_rules.c */
/* Has fb-rules read the files that `conf` names, serving everybody else meanwhile; `conf_fd` is the text of it.
 * No files: an empty set. Else -errno, and why in words. The image is the caller's. */
int sup_rules_compile(struct supervisor *s, const struct conf *conf, int conf_fd,
	struct sup_rule_set *ret_set, char *ret_why, size_t size);
/* From now on this set is the one that a gate gets; what was before is the caller's. */
void sup_rules_use(struct supervisor *s, const struct sup_rule_set *set);
/* The set in use to the gate that runs, and its answer; results as of sup_policy_change(). */
int sup_rules_send(struct supervisor *s);
/* A record of what is in force. */
void sup_rules_tell(struct supervisor *s);
/* At the start. Without rules that can be had the gateway starts all the same. */
void sup_rules_open(struct supervisor *s);
void sup_rules_applied(struct supervisor *s, const struct message_applied *applied);

/* supervisor_child.c */
int sup_child_start(struct supervisor *s, enum chan_process process);
void sup_child_message(struct supervisor *s, struct sup_child *child);
void sup_children_reap(struct supervisor *s);
/* Restarts that are due, heartbeats that are overdue. */
void sup_children_tick(struct supervisor *s);
void sup_child_stop(struct supervisor *s, enum chan_process process, enum stop_how how);
void sup_child_kill(struct sup_child *child, const char *why);
/* A new gate takes over as soon as the one that runs has ended, which it is asked to. */
void sup_gate_replace(struct supervisor *s);
/* One step of the orderly stop; true when all have ended. */
bool sup_children_stop_step(struct supervisor *s);

/* supervisor_lens.c */
/* False: a process that the configuration leaves out. */
bool sup_child_wanted(const struct supervisor *s, enum chan_process process);
/* Number of the segment that fb-tap writes; 0: none yet. */
uint64_t sup_open_segment(const struct supervisor *s);
/* It looks by these rules from now on, too; the gate is not made to wait for that. */
void sup_lens_send_rules(struct supervisor *s);
void sup_lens_applied(struct supervisor *s, const struct message_applied *applied);
void sup_lens_want(struct supervisor *s, uint64_t number);
/* Hands over what was asked for as soon as it is there. */
void sup_lens_tick(struct supervisor *s);

/* supervisor_nic.c */
int sup_nics_prepare(struct supervisor *s);
int sup_ports_open(struct supervisor *s);
void sup_ports_close(struct supervisor *s);
/* Does ahead what takes long in opening them. */
void sup_ports_prepare(struct supervisor *s);
void sup_nics_watch(struct supervisor *s);
void sup_nics_count(struct supervisor *s);
/* Sum over all present ports, less what belongs to gates before. */
void sup_nics_received(const struct supervisor *s, uint64_t *ret_least, uint64_t *ret_most);
/* Around the opening of a new gate's sockets. */
void sup_nics_rebase(struct supervisor *s, bool open);
void sup_nics_restore(struct supervisor *s);

/* supervisor_audit.c */
void sup_audit_tick(struct supervisor *s);
void sup_audit_begin(struct supervisor *s);
void sup_audit_answer(
	struct supervisor *s, enum chan_process process, const struct message_audited *answer);

/* supervisor_ctl.c */
int sup_ctl_open(struct supervisor *s);
void sup_ctl_serve(struct supervisor *s);

/* supervisor.c */
/* One turn: waits so long for messages and signals and does what is due; without requests at ctl.sock when
 * one is being served. */
void sup_serve(struct supervisor *s, int wait_ms, bool requests);
/* The whole run; the exit status. */
int supervisor_run(const struct conf *conf);

static inline const struct counts_gate *sup_gate_counts(const struct supervisor *s)
{
	return s->counts[CHAN_GATE];
}
