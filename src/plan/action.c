#include "plan/action.h"

const char *mill_action_verb(enum mill_action_kind kind)
{
	switch (kind) {
	case MILL_ACTION_INSTALL:
		return "install";
	case MILL_ACTION_CONFIGURE:
		return "configure";
	case MILL_ACTION_TASK:
		return "run task";
	case MILL_ACTION_START:
		return "start";
	case MILL_ACTION_RESTART:
		return "restart";
	case MILL_ACTION_RELOAD:
		return "reload";
	case MILL_ACTION_PROVISION:
		return "provision";
	case MILL_ACTION_HOOK:
		return "run hook";
	case MILL_ACTION_PUBLISH:
		return "publish";
	case MILL_ACTION_STOP:
		return "stop";
	}
	BUG("action kind %d", kind);
}
