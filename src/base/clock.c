#include <time.h>

#include "base/clock.h"

uint64_t mill_now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * MILL_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t mill_wall_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

const char *mill_format_rfc3339(uint64_t wall_ms, char buf[MILL_RFC3339_LEN])
{
	/* The format has room for years up to 9999 only. */
	const uint64_t last = UINT64_C(253402300799999);
	if (wall_ms > last)
		wall_ms = last;
	time_t seconds = (time_t)(wall_ms / 1000);
	struct tm tm;
	gmtime_r(&seconds, &tm);
	snprintf(buf, MILL_RFC3339_LEN, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
		 (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)(tm.tm_mon + 1) % 100,
		 (unsigned)tm.tm_mday % 100, (unsigned)tm.tm_hour % 100, (unsigned)tm.tm_min % 100,
		 (unsigned)tm.tm_sec % 100, (unsigned)(wall_ms % 1000));
	return buf;
}

/* Exactly n digits at *s; advances.  -1 when there is something else. */
static int digits(const char **s, int n)
{
	int v = 0;
	for (int i = 0; i < n; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return -1;
		v = v * 10 + (**s - '0');
	}
	return v;
}

static bool expect(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* "Z", "z", "+hh:mm", "-hh:mm" and then the end; minutes east of UTC. */
static bool parse_offset(const char *s, int *ret_minutes)
{
	if ((*s == 'Z' || *s == 'z') && !s[1]) {
		*ret_minutes = 0;
		return true;
	}
	int sign = *s == '+' ? 1 : *s == '-' ? -1 : 0;
	if (!sign)
		return false;
	s++;
	int hours = digits(&s, 2);
	if (hours < 0 || hours > 23 || !expect(&s, ':'))
		return false;
	int minutes = digits(&s, 2);
	if (minutes < 0 || minutes > 59 || *s)
		return false;
	*ret_minutes = sign * (hours * 60 + minutes);
	return true;
}

static int days_in_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
	return days[month - 1] + (month == 2 && leap);
}

int mill_parse_rfc3339(const char *s, uint64_t *ret_wall_ms)
{
	struct tm tm = {0};
	int year = digits(&s, 4);
	if (year < 1970 || !expect(&s, '-'))
		return -EINVAL;
	int month = digits(&s, 2);
	if (month < 1 || month > 12 || !expect(&s, '-'))
		return -EINVAL;
	int day = digits(&s, 2);
	if (day < 1 || day > days_in_month(year, month) || (*s != 'T' && *s != 't' && *s != ' '))
		return -EINVAL;
	s++;
	int hour = digits(&s, 2);
	if (hour < 0 || hour > 23 || !expect(&s, ':'))
		return -EINVAL;
	int minute = digits(&s, 2);
	if (minute < 0 || minute > 59 || !expect(&s, ':'))
		return -EINVAL;
	int second = digits(&s, 2);
	if (second < 0 || second > 60) /* 60: a leap second */
		return -EINVAL;
	unsigned ms = 0;
	if (expect(&s, '.')) {
		unsigned scale = 100;
		if (*s < '0' || *s > '9')
			return -EINVAL;
		for (; *s >= '0' && *s <= '9'; s++, scale /= 10)
			ms += (unsigned)(*s - '0') * scale;
	}
	int offset;
	if (!parse_offset(s, &offset))
		return -EINVAL;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	tm.tm_mday = day;
	tm.tm_hour = hour;
	tm.tm_min = minute;
	tm.tm_sec = second;
	int64_t seconds = (int64_t)timegm(&tm) - (int64_t)offset * 60;
	if (seconds < 0)
		return -ERANGE;
	*ret_wall_ms = (uint64_t)seconds * 1000 + ms;
	return 0;
}

void mill_sleep_ms(unsigned ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, &ts) == EINTR)
		;
}
