/* What the runner asks of the system: clocks, memory, sensors, cores. What a system does not show is told as null. */

#include <errno.h>
#include <sched.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_ZONES 64

/* One line on stderr, the code of bad input, and nothing on stdout. */
#ifdef __GNUC__
__attribute__((noreturn, format(printf, 1, 2)))
#endif
static void die(const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *c = line; *c; c++)
        if (*c == '\n' || *c == '\r') *c = ' ';
    fprintf(stderr, "penjing_runner: %s\n", line);
    exit(2);
}

static int64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t now_ns(void) { return nanoseconds(CLOCK_MONOTONIC); }

static void sleep_until(int64_t then) {
    for (int64_t left; (left = then - now_ns()) > 0;) {
        struct timespec rest = {(time_t)(left / 1000000000), (long)(left % 1000000000)};
        nanosleep(&rest, NULL);
    }
}

/* Keeps this process and the threads that it will start on the cores of "0,1". */
static void pin(const char *cores) {
#ifdef __linux__
    cpu_set_t set;
    CPU_ZERO(&set);
    for (const char *at = cores; *at;) {
        char *end;
        long core = strtol(at, &end, 10);
        if (end == at || core < 0 || core >= CPU_SETSIZE || (*end && *end != ','))
            die("--cores %s: numbers with commas, such as 0,1", cores);
        CPU_SET((int)core, &set);
        at = *end ? end + 1 : end;
    }
    if (sched_setaffinity(0, sizeof set, &set)) die("cores %s: the system refuses them (%s)", cores, strerror(errno));
#else
    die("--cores %s: this system cannot keep a process on chosen cores", cores);
#endif
}

static const char *const FIELDS[] = {"VmHWM", "VmRSS", "RssShmem", "Rss", "Pss", "Pss_File", "Anonymous",
                                     "Private_Dirty", "Private_Clean", "Shared_Clean"};
#define N_FIELDS (sizeof FIELDS / sizeof *FIELDS)

typedef struct {
    const char *stage;
    long kilobytes[N_FIELDS]; /* -1: not told */
} Memory;

/* The first three fields are status', the others those of smaps_rollup (Linux 4.14). */
static Memory memory_now(const char *stage) {
    Memory memory = {stage, {0}};
    for (size_t i = 0; i < N_FIELDS; i++) memory.kilobytes[i] = -1;
    const char *const paths[] = {"/proc/self/status", "/proc/self/smaps_rollup"};
    for (int p = 0; p < 2; p++) {
        FILE *file = fopen(paths[p], "r");
        char line[256], name[64];
        long value;
        while (file && fgets(line, sizeof line, file)) {
            if (sscanf(line, "%63[^:]: %ld kB", name, &value) != 2) continue;
            for (size_t i = p ? 3 : 0; i < (p ? N_FIELDS : 3); i++)
                if (!strcmp(name, FIELDS[i])) memory.kilobytes[i] = value;
        }
        if (file) fclose(file);
    }
    return memory;
}

typedef struct {
    int64_t at;
    long hottest; /* thousandths of a degree */
    long slowest; /* kHz */
} Reading;

static long small_number(const char *folder, const char *format, int i) {
    char path[512], inside[128];
    long value = -1;
    snprintf(inside, sizeof inside, format, i);
    snprintf(path, sizeof path, "%s/%s", folder, inside);
    FILE *file = fopen(path, "r");
    if (file && fscanf(file, "%ld", &value) != 1) value = -1;
    if (file) fclose(file);
    return value;
}

/* The hottest zone and the slowest core's clock as `folder` (/sys) shows them, -1 where it does not. */
static Reading read_sensors(const char *folder) {
    Reading reading = {now_ns(), -1, -1};
    for (int i = 0; i < MOST_ZONES; i++) {
        long heat = small_number(folder, "class/thermal/thermal_zone%d/temp", i);
        long clock = small_number(folder, "devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", i);
        if (heat > reading.hottest) reading.hottest = heat;
        if (clock > 0 && (reading.slowest < 0 || clock < reading.slowest)) reading.slowest = clock;
    }
    return reading;
}
