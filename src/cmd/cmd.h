/*
 * The command line: one table of commands, one parser, thin commands.
 *
 * A command is data: name, help, options and a function.  Help, docs, the man page,
 * completion and the parser all read the same table, so they cannot disagree.
 * Nothing is opened or read before a command asks for it (cmd/context.h), so
 * `version` and `help` cost no more than the start of a process.
 *
 * Invariants: options are checked (known, right value) before run() is called;
 * a usage error has changed nothing.  Options of a command may stand anywhere
 * after its name, global ones anywhere; a command's own letter wins over a
 * global one with the same letter (`logs -f` follows, `-f FILE` elsewhere
 * chooses a flavour).  A command with subcommands is only a name for them.
 *
 *	static const struct mill_option options[] = {
 *		{.name = "tail", .arg = "N", .help = "...", .value = MILL_VALUE_COUNT},
 *		{0},
 *	};
 *	const struct mill_command mill_cmd_logs = {.name = "logs", .options = options, .run = run};
 */
#ifndef MILL_CMD_CMD_H
#define MILL_CMD_CMD_H

#include "base/strbuf.h"
#include "cmd/ui.h"

/* What a word stands for: completion offers these. */
enum mill_word {
	MILL_WORD_TEXT,
	MILL_WORD_FILE,
	MILL_WORD_FOLDER,
	MILL_WORD_FLAVOUR,
	MILL_WORD_COMPONENT,
	MILL_WORD_ENVIRONMENT,
	MILL_WORD_DEMO,
	MILL_WORD_SERVICE, /* a service or component of the platform */
	MILL_WORD_PLATFORM,
	MILL_WORD_TARGET,
	MILL_WORD_COMMAND,
};

/* How an option's value is checked while parsing. */
enum mill_value {
	MILL_VALUE_TEXT,
	MILL_VALUE_COUNT,    /* 0 .. 1000000 */
	MILL_VALUE_JOBS,     /* 1 .. 256 */
	MILL_VALUE_DURATION, /* "30s", "5m"; 0 is fine */
};

/* A table of these ends with {0}. */
struct mill_option {
	char letter;      /* 0: none */
	const char *name; /* without the dashes */
	const char *arg;  /* NULL: a switch */
	const char *help; /* one sentence, no full stop */
	const char *choices; /* "sh|dotenv|json", or NULL */
	enum mill_value value;
	enum mill_word word;
	bool many; /* may be repeated, each value counts */
};

struct mill_invocation;

/*
 * Does the work.  Returns an exit code (enum mill_exit), or a negative errno
 * with err filled, which is printed and becomes exit code 1, or 2 for a usage
 * error.
 */
typedef int mill_command_fn(struct mill_invocation *inv, struct mill_error *err);

struct mill_command {
	const char *name;
	const char *alias; /* another name, not shown; NULL: none */
	const char *group; /* heading in the help; NULL: hidden */
	const char *summary; /* one line */
	const char *usage;   /* after the name: "[SERVICE...]", "" */
	const char *description; /* paragraphs parted by an empty line */
	const char *examples;    /* lines "command # what it does" */
	const struct mill_option *options; /* NULL: none of its own */
	const struct mill_command *const *subcommands; /* NULL-terminated, or NULL */
	const char *choices; /* words for the first argument: "bash|zsh|fish" */
	enum mill_word word; /* what its arguments are */
	int min_args, max_args; /* max_args < 0: any number */
	bool raw_args; /* the first argument ends the options (exec) */
	mill_command_fn *run;
};

extern const struct mill_option mill_global_options[];
extern const struct mill_command *const mill_commands[]; /* NULL-terminated, in order of help */
extern const char *const mill_command_groups[];          /* NULL-terminated, in order of help */

/* The original's short flags, as help tells them; ends with {0}. */
struct mill_original_flag {
	const char *flags, *help;
};
extern const struct mill_original_flag mill_original_flags[];

/* ---- a parsed command line ---- */
struct mill_option_value {
	const struct mill_option *option;
	struct mill_strv values; /* empty for a switch */
};
struct mill_invocation {
	const struct mill_command *parent;  /* "flavour" of `flavour show`; NULL otherwise */
	const struct mill_command *command; /* NULL: nothing but options */
	struct mill_option_value *values;
	size_t n_values, cap_values;
	struct mill_strv args;
	bool help, version; /* --help, --version */
	struct mill_ui *ui; /* set before run() */
};

/*
 * Parses words (without the program's name) against the tables.  Pure: looks
 * at no file.  0, or -EINVAL with a usage error that names the word at fault.
 * The caller releases *ret in any case.
 */
int mill_cmdline_parse(int argc, char *const *argv, struct mill_invocation *ret,
		       struct mill_error *err);
void mill_invocation_release(struct mill_invocation *inv);
#define _cleanup_invocation_ __attribute__((cleanup(mill_invocation_release)))

/* "flavour show"; owned. */
char *mill_invocation_name(const struct mill_invocation *inv);
/* An unknown name is BUG(): these take literals only. */
bool mill_opt_on(const struct mill_invocation *inv, const char *name);
const char *mill_opt(const struct mill_invocation *inv, const char *name); /* last value, or NULL */
const struct mill_strv *mill_opt_list(const struct mill_invocation *inv, const char *name); /* or NULL */
unsigned mill_opt_count(const struct mill_invocation *inv, const char *name, unsigned fallback);
uint64_t mill_opt_duration_ns(const struct mill_invocation *inv, const char *name,
			      uint64_t fallback);
/* "local", "remote", "hybrid" or NULL. */
const char *mill_opt_location(const struct mill_invocation *inv);
/* The i-th argument, or NULL. */
const char *mill_arg(const struct mill_invocation *inv, size_t i);

const struct mill_command *mill_command_find(const char *name); /* or its alias */
const struct mill_command *mill_command_sub(const struct mill_command *parent, const char *name);
const struct mill_option *mill_option_find(const struct mill_option *table, const char *name);
const struct mill_option *mill_option_letter(const struct mill_option *table, char letter);

/* ---- the original's short flags (legacy.c) ---- */
/*
 * `-l -s -i -f X` and the like.  Pure.  Returns 1 and the words of the
 * subcommand that does the same in *ret; 0 when argv is an ordinary
 * subcommand line; -EINVAL with a usage error that names the flag.
 */
int mill_legacy_translate(int argc, char *const *argv, struct mill_strv *ret,
			  struct mill_error *err);

/* ---- help.c, help_json.c, complete.c ---- */
void mill_help_overview(const struct mill_ui *ui, struct mill_strbuf *out);
void mill_help_command(const struct mill_ui *ui, const struct mill_command *parent,
		       const struct mill_command *c, struct mill_strbuf *out);
/* Its examples, or those lines of its parent's that show it; owned, NULL: there are none. */
char *mill_command_examples(const struct mill_command *parent, const struct mill_command *c);
/* All of the table as one JSON object: what the docs and the man page are made of. */
void mill_help_json(struct mill_strbuf *out);
/* "--tail N" or "-f, --flavour FILE" */
void mill_option_label(const struct mill_option *o, struct mill_strbuf *out);

/* Candidates for the last of `words`, as "word\tdescription" lines; ":file" or
 * ":folder" tells the shell to complete paths itself. */
void mill_complete(int n, char *const *words, struct mill_strbuf *out);
/* The script for bash, zsh or fish; NULL: no such shell. */
const char *mill_completion_script(const char *shell);

/* Everything, from argv to the exit code. */
int mill_main(int argc, char **argv);

#endif
