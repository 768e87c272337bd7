/* Every command, for the table; each is defined in its own file. */
#ifndef MILL_CMD_COMMANDS_H
#define MILL_CMD_COMMANDS_H

#include "cmd/cmd.h"

extern const struct mill_command mill_cmd_up, mill_cmd_plan, mill_cmd_down, mill_cmd_destroy,
	mill_cmd_status, mill_cmd_wait, mill_cmd_platform, mill_cmd_enable, mill_cmd_disable;
extern const struct mill_command mill_cmd_start, mill_cmd_stop, mill_cmd_restart, mill_cmd_logs,
	mill_cmd_events, mill_cmd_open, mill_cmd_test;
extern const struct mill_command mill_cmd_credentials, mill_cmd_env, mill_cmd_exec, mill_cmd_shell,
	mill_cmd_data, mill_cmd_repo, mill_cmd_environment, mill_cmd_notebook, mill_cmd_demo;
extern const struct mill_command mill_cmd_install, mill_cmd_uninstall, mill_cmd_store, mill_cmd_image, mill_cmd_image_worker,
	mill_cmd_registry;
extern const struct mill_command mill_cmd_init, mill_cmd_validate, mill_cmd_graph, mill_cmd_flavour,
	mill_cmd_component, mill_cmd_charts, mill_cmd_target, mill_cmd_cluster;
extern const struct mill_command mill_cmd_doctor, mill_cmd_completion, mill_cmd_complete,
	mill_cmd_self_install, mill_cmd_version, mill_cmd_help, mill_cmd_proxy,
	mill_cmd_render;

#endif
