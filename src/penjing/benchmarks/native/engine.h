/* The engine behind the runner: ONNX Runtime, found at run time, its sessions, and one inference of one of them. */

#include <dlfcn.h>
#include <stdbool.h>

#define API_VERSION 17 /* ONNX Runtime 1.17; the table only grows */
#define MOST_OUTPUTS 64

typedef struct {
    double *values;
    size_t count, room;
} Row;

typedef struct {
    const char *path;
    const Feeds *feeds;
    OrtSession *session;
    size_t n_inputs, n_outputs;
    char **inputs, **outputs;
    OrtValue ***values; /* [feed][input] */
    Row *answers;       /* [feed] */
    Row samples, starts, warm_up;
    double load_ms, first_ms;
    bool settled;
} Model;

static const OrtApi *ort;
static const char *engine_version;

static void check(OrtStatus *status, const char *doing) {
    if (status) die("%s: %s", doing, ort->GetErrorMessage(status));
}

static OrtEnv *open_engine(void) {
    setenv("ORT_DISABLE_TELEMETRY", "1", 1);
    const char *names[] = {getenv("PENJING_ONNXRUNTIME"), "libonnxruntime.so.1", "libonnxruntime.so"};
    void *library = NULL;
    for (int i = names[0] ? 0 : 1; i < (names[0] ? 1 : 3) && !library; i++) library = dlopen(names[i], RTLD_NOW);
    if (!library) die("no ONNX Runtime (%s): set PENJING_ONNXRUNTIME to its libonnxruntime.so", dlerror());
    const OrtApiBase *(*base)(void);
    *(void **)&base = dlsym(library, "OrtGetApiBase");
    if (!base) die("this libonnxruntime.so has no OrtGetApiBase: it is not ONNX Runtime");
    engine_version = base()->GetVersionString();
    ort = base()->GetApi(API_VERSION);
    if (!ort) die("ONNX Runtime %s is older than 1.%d", engine_version, API_VERSION);
    OrtEnv *env;
    check(ort->CreateEnv(ORT_LOGGING_LEVEL_FATAL, "penjing", &env), "ONNX Runtime");
    return env;
}

static OrtValue *find_value(const Model *model, const Feed *feed, const char *name, const OrtMemoryInfo *where) {
    for (uint32_t t = 0; t < feed->count; t++) {
        Tensor *tensor = &feed->tensors[t];
        if (strcmp(tensor->name, name)) continue;
        OrtValue *value;
        check(ort->CreateTensorWithDataAsOrtValue(where, tensor->values, (size_t)tensor->bytes, tensor->dims,
                                                  tensor->rank, tensor->type, &value), name);
        return value;
    }
    die("%s takes an input '%s' that the feeds of %s lack", model->path, name, model->feeds->path);
}

/* Opens the session and makes the values of all feeds. */
static void open_model(Model *model, OrtEnv *env, const OrtSessionOptions *options, const OrtMemoryInfo *where) {
    int64_t start = now_ns();
    check(ort->CreateSession(env, model->path, options, &model->session), model->path);
    model->load_ms = (double)(now_ns() - start) / 1e6;
    OrtAllocator *allocator;
    check(ort->GetAllocatorWithDefaultOptions(&allocator), model->path);
    check(ort->SessionGetInputCount(model->session, &model->n_inputs), model->path);
    check(ort->SessionGetOutputCount(model->session, &model->n_outputs), model->path);
    if (model->n_outputs > MOST_OUTPUTS) die("%s has more than %d outputs", model->path, MOST_OUTPUTS);
    model->inputs = allot(model->n_inputs, sizeof(char *));
    model->outputs = allot(model->n_outputs, sizeof(char *));
    for (size_t i = 0; i < model->n_inputs; i++)
        check(ort->SessionGetInputName(model->session, i, allocator, &model->inputs[i]), model->path);
    for (size_t i = 0; i < model->n_outputs; i++)
        check(ort->SessionGetOutputName(model->session, i, allocator, &model->outputs[i]), model->path);
    model->values = allot(model->feeds->count, sizeof *model->values);
    model->answers = allot(model->feeds->count, sizeof *model->answers);
    for (uint32_t f = 0; f < model->feeds->count; f++) {
        model->values[f] = allot(model->n_inputs, sizeof(OrtValue *));
        for (size_t i = 0; i < model->n_inputs; i++)
            model->values[f][i] = find_value(model, &model->feeds->feeds[f], model->inputs[i], where);
    }
}

/* One inference; gives its nanoseconds. The answer goes into `outputs` when given, and is dropped otherwise. */
static int64_t call(Model *model, uint64_t i, OrtValue **outputs) {
    OrtValue *own[MOST_OUTPUTS] = {NULL}, **made = outputs ? outputs : own;
    const OrtValue *const *values = (const OrtValue *const *)model->values[i % model->feeds->count];
    int64_t start = now_ns();
    OrtStatus *status = ort->Run(model->session, NULL, (const char *const *)model->inputs, values, model->n_inputs,
                                 (const char *const *)model->outputs, model->n_outputs, made);
    int64_t took = now_ns() - start;
    check(status, model->path);
    for (size_t o = 0; !outputs && o < model->n_outputs; o++) ort->ReleaseValue(own[o]);
    return took;
}

static void append(Row *row, double value) {
    if (row->count == row->room) {
        row->room = row->room ? 2 * row->room : 64;
        row->values = realloc(row->values, row->room * sizeof *row->values);
        if (!row->values) die("out of memory: choose fewer rounds or shorter outputs");
    }
    row->values[row->count++] = value;
}

static void append_output(Row *row, const Model *model, OrtValue *value) {
    OrtTensorTypeAndShapeInfo *info;
    ONNXTensorElementDataType type;
    size_t count;
    void *data;
    check(ort->GetTensorTypeAndShape(value, &info), model->path);
    check(ort->GetTensorElementType(info, &type), model->path);
    check(ort->GetTensorShapeElementCount(info, &count), model->path);
    check(ort->GetTensorMutableData(value, &data), model->path);
    if (!size_of_type(type)) die("%s gives an output of type %d: float32, int32 or int64", model->path, (int)type);
    for (size_t i = 0; i < count; i++)
        append(row, type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT   ? (double)((float *)data)[i]
                    : type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 ? (double)((int32_t *)data)[i]
                                                                  : (double)((int64_t *)data)[i]);
    ort->ReleaseTensorTypeAndShapeInfo(info);
}

/* Runs the model on one feed and keeps its answer. */
static int64_t answer(Model *model, uint32_t feed) {
    OrtValue *outputs[MOST_OUTPUTS] = {NULL};
    int64_t took = call(model, feed, outputs);
    model->answers[feed].count = 0;
    for (size_t o = 0; o < model->n_outputs; o++) {
        append_output(&model->answers[feed], model, outputs[o]);
        ort->ReleaseValue(outputs[o]);
    }
    return took;
}
