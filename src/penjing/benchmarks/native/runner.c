/* penjing_runner: times ONNX models where there is no Python, and says what they answer. Prints one JSON object.

     penjing_runner --feeds FEEDS [options] MODEL [MODEL ...] [--feeds FEEDS MODEL ...]

   Every model gets the feeds of the last --feeds before it, a file as feeds.h describes. All models are opened and run
   once on every feed; then each is warmed up until its times have settled, and R rounds take them in a random order:
   one untimed call and K timed ones, call i on feed i mod n. As benchmarks/interleave.py does it.

     --threads N (1)   --rounds R (0: no timing)   --repeats K (1)   --seed S (1)   --cores 0,1
     --period-ms P     paced: every call waits for the next tick, no untimed ones
     --seconds S       sustained: rounds until S seconds are over, the processor kept busy in between
     --sys FOLDER      where clock and temperature are shown (/sys)
     --count N         instead: N runs of each feed between the instructions hint #0x4d and hint #0x4e, which do nothing
                       on a core and which a counting emulator looks for (aarch64)

   Any error is one line on stderr and exit code 2, with nothing on stdout.

   The engine is looked for at run time: $PENJING_ONNXRUNTIME, else libonnxruntime.so.1, else libonnxruntime.so. So it
   builds with the header alone:  cc -O2 -I HEADERS runner.c -o penjing_runner -ldl -lm

   Left out: other execution providers, other outputs than float32, int32 and int64, and Windows. */

#define _GNU_SOURCE
#include <unistd.h>

#include "onnxruntime_c_api.h"
#include "system.h"
#include "feeds.h"
#include "engine.h"
#include "answer.h"
#include "warm_up.h"

#define SENSOR_NS 1000000000
#define SUSTAINED_ROUND_NS 1000000000

typedef struct {
    long threads, rounds, repeats, seed, period_ms, seconds, count;
    const char *cores, *sys;
    Model *models;
    int n_models;
} Options;

static Memory memories[5];
static int n_memories;
static Reading *readings;
static size_t n_readings;

static void open_models(Options *options, OrtEnv *env) {
    OrtSessionOptions *how;
    OrtMemoryInfo *where;
    check(ort->CreateSessionOptions(&how), "ONNX Runtime");
    check(ort->SetIntraOpNumThreads(how, (int)options->threads), "--threads");
    check(ort->SetInterOpNumThreads(how, 1), "ONNX Runtime");
    check(ort->SetSessionExecutionMode(how, ORT_SEQUENTIAL), "ONNX Runtime");
    check(ort->CreateCpuMemoryInfo(OrtArenaAllocator, OrtMemTypeDefault, &where), "ONNX Runtime");
    for (int m = 0; m < options->n_models; m++) open_model(&options->models[m], env, how, where);
}

static void remember(const char *stage) { memories[n_memories++] = memory_now(stage); }

/* A reading of the sensors, at most one a second unless `always`. */
static void watch(const char *sys, bool always) {
    if (!always && n_readings && now_ns() - readings[n_readings - 1].at < SENSOR_NS) return;
    readings = realloc(readings, (n_readings + 1) * sizeof *readings);
    if (!readings) die("out of memory");
    readings[n_readings++] = read_sensors(sys);
}

/* ---- timing ---- */

static void warm_up(Model *model) {
    double total = 0;
    while (!model->settled && model->warm_up.count < MOST_CALLS && total < MOST_WARM_NS) {
        double took = (double)call(model, 0, NULL);
        append(&model->warm_up, took);
        total += took;
        int n = (int)model->warm_up.count;
        model->settled = n - last_change(model->warm_up.values, n) >= FEWEST_STEADY;
    }
}

/* splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t draw(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void shuffle(int *order, int n, uint64_t *state) {
    for (int i = n - 1; i > 0; i--) {
        int j = (int)(draw(state) % (uint64_t)(i + 1)), held = order[i];
        order[i] = order[j];
        order[j] = held;
    }
}

/* The timed calls of one model in one round. */
static void time_block(Model *model, uint64_t first, const Options *options, int64_t *tick) {
    int64_t start = now_ns(), period = (int64_t)options->period_ms * 1000000;
    append(&model->starts, (double)(start - began) / 1e6);
    if (!period) call(model, first, NULL); /* untimed: the others have pushed this one's weights out of the caches */
    for (long k = 0; k < options->repeats; k++) {
        if (period) {
            *tick = *tick + period > now_ns() ? *tick + period : now_ns() + period;
            sleep_until(*tick);
        }
        append(&model->samples, (double)call(model, first + (uint64_t)k, NULL) / 1e6);
    }
    while (options->seconds && now_ns() - start < SUSTAINED_ROUND_NS / options->n_models) call(model, first, NULL);
}

static void time_rounds(const Options *options) {
    int *order = allot((size_t)options->n_models, sizeof *order);
    uint64_t state = (uint64_t)options->seed;
    for (int m = 0; m < options->n_models; m++) warm_up(&options->models[m]), order[m] = m;
    int64_t start = now_ns(), tick = start, end = start + (int64_t)options->seconds * 1000000000;
    for (long r = 0; options->seconds ? !r || now_ns() < end : r < options->rounds; r++) {
        watch(options->sys, r == 0);
        shuffle(order, options->n_models, &state);
        for (int m = 0; m < options->n_models; m++)
            time_block(&options->models[order[m]], (uint64_t)(r * options->repeats), options, &tick);
    }
    watch(options->sys, true);
}

/* What the two looks at the clock add to a sample: the median of many without a call in between, in ns. */
static double clock_cost(void) {
    double costs[MOST_CALLS];
    for (int i = 0; i < MOST_CALLS; i++) {
        int64_t start = now_ns();
        costs[i] = (double)(now_ns() - start);
    }
    return median_of(costs, MOST_CALLS);
}

#if defined(__aarch64__)
#define MARK(number) __asm__ volatile("hint #" number ::: "memory")
#else
#define MARK(number) ((void)0)
#endif

/* Exported and never inlined, so that a tool can find them by name too. */
__attribute__((noinline, visibility("default"))) void penjing_begin(void) { MARK("0x4d"); }
__attribute__((noinline, visibility("default"))) void penjing_end(void) { MARK("0x4e"); }

/* Every feed has been answered once before, and runs N - 1 times more before it is counted: what a first run costs is
   much of a small model, which is counted often, and nothing of a large one, which is slow here. */
static void count_runs(Model *model, long n) {
    for (uint32_t f = 0; f < model->feeds->count; f++) {
        for (long i = 1; i < n; i++) call(model, f, NULL);
        penjing_begin();
        for (long i = 0; i < n; i++) call(model, f, NULL);
        penjing_end();
    }
}

static void print_all(const Options *options, double began_at, double engine_ms) {
    printf("{\"engine\":");
    print_text(engine_version);
    printf(",\"began\":%.3f,\"engine_ms\":%.6f,\"threads\":%ld,\"count\":%ld,\"clock_ns\":%.0f,\"models\":[", began_at,
           engine_ms, options->threads, options->count, clock_cost());
    for (int m = 0; m < options->n_models; m++) {
        if (m) putchar(',');
        print_model(&options->models[m], options->repeats);
    }
    fputs("],\"memory\":[", stdout);
    for (int i = 0; i < n_memories; i++) {
        if (i) putchar(',');
        print_memory(&memories[i]);
    }
    fputs("],\"sensors\":[", stdout);
    for (size_t i = 0; i < n_readings; i++) {
        if (i) putchar(',');
        print_reading(&readings[i]);
    }
    puts("]}");
}

/* ---- the command line ---- */

static long number(const char *option, const char *text, long least, long most) {
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < least || value > most)
        die("%s %s: a whole number from %ld to %ld", option, text, least, most);
    return value;
}

static void set(Options *options, const char *name, const char *value) {
    struct { const char *name; long *to; long least, most; } numbers[] = {
        {"--threads", &options->threads, 1, 256},         {"--rounds", &options->rounds, 0, 1000000},
        {"--repeats", &options->repeats, 1, 1000000},     {"--seed", &options->seed, 0, INT32_MAX},
        {"--period-ms", &options->period_ms, 1, 3600000}, {"--seconds", &options->seconds, 1, 86400},
        {"--count", &options->count, 1, 1000000000},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(name, numbers[i].name)) {
            *numbers[i].to = number(name, value, numbers[i].least, numbers[i].most);
            return;
        }
    if (!strcmp(name, "--cores")) options->cores = value;
    else if (!strcmp(name, "--sys")) options->sys = value;
    else die("no option %s: see the first lines of runner.c", name);
}

static Options parse(int argc, char **argv) {
    Options options = {.threads = 1, .repeats = 1, .seed = 1, .sys = "/sys"};
    options.models = allot((size_t)argc, sizeof *options.models);
    const Feeds *feeds = NULL;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2)) {
            if (!feeds) die("%s comes before any --feeds FEEDS", argv[i]);
            options.models[options.n_models].path = argv[i];
            options.models[options.n_models++].feeds = feeds;
        } else if (i + 1 == argc) {
            die("%s wants a value", argv[i]);
        } else if (!strcmp(argv[i], "--feeds")) {
            Feeds *read = allot(1, sizeof *read);
            *read = read_feeds(argv[++i]);
            feeds = read;
        } else {
            set(&options, argv[i], argv[i + 1]);
            i++;
        }
    }
    if (!options.n_models) die("give --feeds FEEDS and at least one MODEL");
    if (options.count && options.n_models != 1) die("--count takes one MODEL, not %d", options.n_models);
    return options;
}

int main(int argc, char **argv) {
    began = now_ns();
    double began_at = (double)nanoseconds(CLOCK_REALTIME) / 1e9;
    Options options = parse(argc, argv);
    if (options.cores) pin(options.cores);
    remember("baseline");
    int64_t start = now_ns();
    OrtEnv *env = open_engine();
    double engine_ms = (double)(now_ns() - start) / 1e6;
    remember("engine loaded");
    open_models(&options, env);
    remember("model loaded");
    for (int m = 0; m < options.n_models; m++) options.models[m].first_ms = (double)answer(&options.models[m], 0) / 1e6;
    remember("first inference");
    for (int m = 0; m < options.n_models; m++)
        for (uint32_t f = 1; f < options.models[m].feeds->count; f++) answer(&options.models[m], f);
    if (options.count) count_runs(&options.models[0], options.count);
    else if (options.rounds || options.seconds) time_rounds(&options);
    remember("peak");
    print_all(&options, began_at, engine_ms);
    fflush(stdout);
    _exit(ferror(stdout) ? 2 : 0); /* the engine's threads may still spin: leave without its teardown */
}
