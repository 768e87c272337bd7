#include <signal.h>
#include <sys/eventfd.h>

#include "base/base.h"
#include "base/io.h"
#include "cmd/interrupt.h"

static int event_fd = -1;
static volatile sig_atomic_t count, hidden;

static const char show[] = "\r\033[J\033[?25h", hide[] = "\033[?25l";

/* Only what a signal handler may call. */
static void on_signal(int signal_number)
{
	uint64_t one = 1;
	int saved = errno;

	if (++count > 1) {
		if (hidden && write(STDERR_FILENO, show, sizeof(show) - 1) < 0)
			_exit(MILL_EXIT_INTERRUPTED);
		_exit(MILL_EXIT_INTERRUPTED);
	}
	if (write(event_fd, &one, sizeof(one)) < 0)
		_exit(MILL_EXIT_INTERRUPTED);
	errno = saved;
}

int mill_interrupt_fd(struct mill_error *err)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	if (event_fd >= 0)
		return event_fd;
	event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event_fd < 0)
		return mill_fail_errno(err, errno, "eventfd");
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < MILL_ARRAY_LEN(signals); i++) {
		struct sigaction old;

		/* nohup and the like */
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
	/* Whoever reads our output may go away; what we started must not be left half done for it. */
	signal(SIGPIPE, SIG_IGN);
	return event_fd;
}

bool mill_interrupted(void)
{
	return count > 0;
}

void mill_interrupt_hide_cursor(void)
{
	if (mill_write_all(STDERR_FILENO, hide, sizeof(hide) - 1) == 0)
		hidden = 1;
}

void mill_interrupt_show_cursor(void)
{
	if (hidden && mill_write_all(STDERR_FILENO, show, sizeof(show) - 1) == 0)
		hidden = 0;
}
