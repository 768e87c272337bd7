/* The command table and the options that every command takes. */
#include "base/base.h"
#include "cmd/commands.h"

const struct mill_option mill_global_options[] = {
	{.letter = 'l', .name = "local", .help = "location: this machine"},
	{.letter = 'r', .name = "remote", .help = "location: a cluster on AWS or GKE"},
	{.letter = 'h', .name = "hybrid",
	 .help = "location: an existing cluster; alone, without command and action, -h is help"},
	{.letter = 'f', .name = "flavour", .arg = "FILE", .word = MILL_WORD_FLAVOUR,
	 .help = "flavour: a file, or the name of one in flavours/"},
	{.letter = 't', .name = "target", .arg = "FILE", .word = MILL_WORD_TARGET,
	 .help = "target file: a file, or the name of one in k8s/configs/"},
	{.letter = 'c', .name = "component", .arg = "NAME", .word = MILL_WORD_COMPONENT, .many = true,
	 .help = "this component only, with what it needs; may be repeated"},
	{.name = "platform", .arg = "NAME", .word = MILL_WORD_PLATFORM,
	 .help = "the platform to act on, when there are several"},
	{.name = "kubeconfig", .arg = "FILE", .word = MILL_WORD_FILE,
	 .help = "kubeconfig of the hybrid location"},
	{.letter = 'j', .name = "jobs", .arg = "N", .value = MILL_VALUE_JOBS,
	 .help = "how many installs, transfers or tests run at a time"},
	{.letter = 'y', .name = "yes", .help = "do not ask"},
	{.letter = 'q', .name = "quiet", .help = "results and errors only"},
	{.letter = 'v', .name = "verbose", .help = "say more of what is done"},
	{.name = "json", .help = "results as JSON, progress as one JSON object a line"},
	{.name = "no-color", .help = "no colours; NO_COLOR in the environment does the same"},
	{.name = "help", .help = "help on the command"},
	{0},
};

const char *const mill_command_groups[] = {
	"Platform", "Services", "Use", "Software", "Project", "Program", NULL,
};

const struct mill_command *const mill_commands[] = {
	&mill_cmd_up,	       &mill_cmd_plan,	       &mill_cmd_status,     &mill_cmd_down,
	&mill_cmd_destroy,     &mill_cmd_wait,	       &mill_cmd_platform,   &mill_cmd_enable,
	&mill_cmd_disable,     &mill_cmd_cluster,     &mill_cmd_render,
	&mill_cmd_start,       &mill_cmd_stop,	       &mill_cmd_restart,    &mill_cmd_logs,
	&mill_cmd_events,      &mill_cmd_test,
	&mill_cmd_open,	       &mill_cmd_credentials,  &mill_cmd_env,	     &mill_cmd_exec,
	&mill_cmd_shell,       &mill_cmd_data,	       &mill_cmd_repo,
	&mill_cmd_environment, &mill_cmd_notebook,     &mill_cmd_demo,
	&mill_cmd_install,     &mill_cmd_uninstall,    &mill_cmd_store,      &mill_cmd_image,
	&mill_cmd_registry,
	&mill_cmd_init,	       &mill_cmd_validate,     &mill_cmd_graph,	     &mill_cmd_flavour,
	&mill_cmd_component,   &mill_cmd_charts,      &mill_cmd_target,
	&mill_cmd_doctor,      &mill_cmd_completion,   &mill_cmd_self_install, &mill_cmd_version,
	&mill_cmd_help,	       &mill_cmd_complete,     &mill_cmd_proxy,	     &mill_cmd_image_worker,
	NULL,
};
