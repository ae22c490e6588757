/* The parts of the runner's answer as JSON on stdout; what is no number becomes null. */

#include <math.h>

static int64_t began; /* all times in the answer count from here */

static void print_row(const Row *row, size_t from, size_t to, const char *format) {
    putchar('[');
    for (size_t i = from; i < to; i++) {
        if (i > from) putchar(',');
        if (isfinite(row->values[i])) printf(format, row->values[i]);
        else fputs("null", stdout);
    }
    putchar(']');
}

static void print_text(const char *text) {
    putchar('"');
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < 32 || *c == '"' || *c == '\\') printf("\\u%04x", *c);
        else putchar(*c);
    putchar('"');
}

static void print_model(const Model *model, long repeats) {
    const char *slash = strrchr(model->path, '/');
    fputs("{\"model\":", stdout);
    print_text(slash ? slash + 1 : model->path);
    printf(",\"load_ms\":%.6f,\"first_ms\":%.6f,\"settled\":%s,\"warm_up\":%zu,\"starts_ms\":", model->load_ms,
           model->first_ms, model->settled ? "true" : "false", model->warm_up.count);
    print_row(&model->starts, 0, model->starts.count, "%.3f");
    fputs(",\"samples_ms\":[", stdout);
    for (size_t r = 0; r < model->starts.count; r++) {
        if (r) putchar(',');
        print_row(&model->samples, r * (size_t)repeats, (r + 1) * (size_t)repeats, "%.6f");
    }
    fputs("],\"output_names\":[", stdout);
    for (size_t o = 0; o < model->n_outputs; o++) {
        if (o) putchar(',');
        print_text(model->outputs[o]);
    }
    fputs("],\"outputs\":[", stdout);
    for (uint32_t f = 0; f < model->feeds->count; f++) {
        if (f) putchar(',');
        print_row(&model->answers[f], 0, model->answers[f].count, "%.9g");
    }
    fputs("]}", stdout);
}

static void print_memory(const Memory *memory) {
    printf("{\"stage\":\"%s\"", memory->stage);
    for (size_t i = 0; i < N_FIELDS; i++)
        if (memory->kilobytes[i] >= 0) printf(",\"%s\":%ld", FIELDS[i], memory->kilobytes[i]);
    putchar('}');
}

static void print_reading(const Reading *reading) {
    printf("{\"at_ms\":%.3f,\"temperature_c\":", (double)(reading->at - began) / 1e6);
    if (reading->hottest < 0) fputs("null", stdout);
    else printf("%.3f", (double)reading->hottest / 1e3);
    fputs(",\"clock_mhz\":", stdout);
    if (reading->slowest < 0) fputs("null}", stdout);
    else printf("%.3f}", (double)reading->slowest / 1e3);
}
