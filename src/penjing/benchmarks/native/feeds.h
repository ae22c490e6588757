/* The runner's feeds: named tensors in a small binary file, every length of which is checked before it is believed.

   Little endian, as all machines that the runner is for. Text is UTF-8 without an end mark, values are C-contiguous.

     "PJF1"  u32 feeds { u32 tensors { u32 length of the name, the name, u32 type, u32 rank, i64 dims[rank],
                                       u64 bytes, the values } }

   The types are ONNX's numbers: 1 float32, 6 int32, 7 int64. Nothing may follow. Penjing writes such files with
   native_runner.write_feeds. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MOST_DIMS 8
#define LONGEST_NAME 1024u

typedef struct {
    char *name;
    ONNXTensorElementDataType type;
    uint32_t rank;
    int64_t dims[MOST_DIMS];
    void *values;
    uint64_t bytes;
} Tensor;

typedef struct {
    Tensor *tensors;
    uint32_t count;
} Feed;

typedef struct {
    const char *path;
    Feed *feeds;
    uint32_t count;
} Feeds;

typedef struct {
    const char *path;
    const unsigned char *at, *end;
} Cursor;

static void *allot(size_t count, size_t size) {
    void *made = calloc(count ? count : 1, size);
    if (!made) die("out of memory: choose fewer feeds or rounds");
    return made;
}

/* Copies the next bytes, or ends the program when the file has fewer. */
static void take(Cursor *cursor, void *to, uint64_t bytes) {
    if (bytes > (uint64_t)(cursor->end - cursor->at)) die("%s ends too early: write the feeds again", cursor->path);
    memcpy(to, cursor->at, (size_t)bytes);
    cursor->at += bytes;
}

/* A number of things of which each takes at least `least` bytes more. */
static uint32_t take_count(Cursor *cursor, uint64_t least) {
    uint32_t count;
    take(cursor, &count, sizeof count);
    if (count == 0 || count > (uint64_t)(cursor->end - cursor->at) / least)
        die("%s speaks of %u things where so many cannot be: write the feeds again", cursor->path, count);
    return count;
}

static uint32_t size_of_type(uint32_t type) {
    return type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT64                                                        ? 8
           : type == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT || type == ONNX_TENSOR_ELEMENT_DATA_TYPE_INT32 ? 4
                                                                                                               : 0;
}

static Tensor take_tensor(Cursor *cursor) {
    Tensor tensor;
    uint32_t length = take_count(cursor, 1), type;
    if (length > LONGEST_NAME) die("%s has a name of %u bytes: write the feeds again", cursor->path, length);
    tensor.name = allot(length + 1, 1);
    take(cursor, tensor.name, length);
    take(cursor, &type, sizeof type);
    take(cursor, &tensor.rank, sizeof tensor.rank);
    uint64_t bytes = size_of_type(type);
    if (!bytes) die("%s has a tensor of type %u: float32, int32 or int64", cursor->path, type);
    if (tensor.rank > MOST_DIMS) die("%s has a tensor of %u dimensions", cursor->path, tensor.rank);
    take(cursor, tensor.dims, tensor.rank * sizeof *tensor.dims);
    for (uint32_t i = 0; i < tensor.rank; i++) {
        if (tensor.dims[i] < 1 || (uint64_t)tensor.dims[i] > UINT32_MAX / bytes)
            die("%s has a tensor of an impossible shape: write the feeds again", cursor->path);
        bytes *= (uint64_t)tensor.dims[i];
    }
    take(cursor, &tensor.bytes, sizeof tensor.bytes);
    if (tensor.bytes != bytes) die("%s has a tensor whose shape and size disagree", cursor->path);
    if (bytes > (uint64_t)(cursor->end - cursor->at)) die("%s ends too early: write the feeds again", cursor->path);
    tensor.type = (ONNXTensorElementDataType)type;
    tensor.values = allot((size_t)bytes, 1);
    take(cursor, tensor.values, bytes);
    return tensor;
}

static unsigned char *read_file(const char *path, size_t *bytes) {
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 0, SEEK_END) != 0) die("%s cannot be read: %s", path, strerror(errno));
    long size = ftell(file);
    if (size < 0 || fseek(file, 0, SEEK_SET) != 0) die("%s cannot be read: %s", path, strerror(errno));
    unsigned char *content = allot((size_t)size, 1);
    *bytes = fread(content, 1, (size_t)size, file);
    fclose(file);
    return content;
}

/* Reads a whole file of feeds; ends the program with one line when it is broken. */
static Feeds read_feeds(const char *path) {
    size_t bytes;
    unsigned char *content = read_file(path, &bytes);
    Cursor cursor = {path, content, content + bytes};
    char magic[4];
    take(&cursor, magic, sizeof magic);
    if (memcmp(magic, "PJF1", sizeof magic)) die("%s is no file of feeds: write it with write_feeds", path);
    Feeds feeds = {path, NULL, take_count(&cursor, 4)};
    feeds.feeds = allot(feeds.count, sizeof *feeds.feeds);
    for (uint32_t f = 0; f < feeds.count; f++) {
        Feed *feed = &feeds.feeds[f];
        feed->count = take_count(&cursor, 20);
        feed->tensors = allot(feed->count, sizeof *feed->tensors);
        for (uint32_t t = 0; t < feed->count; t++) feed->tensors[t] = take_tensor(&cursor);
    }
    if (cursor.at != cursor.end) die("%s has bytes after its last feed: write the feeds again", path);
    free(content);
    return feeds;
}
