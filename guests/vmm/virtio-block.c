/* The VM's disk (Virtio 1.2, 5.2): a file, read and written while the driver waits. */
#include "virtio.h"
#include "string.h"

#define SECTOR 512UL
#define FEATURE_FLUSH BIT(9)
#define SEGMENTS 130
enum { READ = 0, WRITE = 1, FLUSH = 4, GET_ID = 8 };
enum { OK = 0, ERROR = 1, UNSUPPORTED = 2 };

static s64 fd;
static u64 sectors;

/* Reads or writes the whole segment; false if the file does not have it. */
static bool transfer(const struct segment *s, u64 position, bool write)
{
    u64 done = 0;

    if (s->writable == write || position > sectors * SECTOR || s->size > sectors * SECTOR - position)
        return false;
    while (done < s->size) {
        s64 moved = write ? sys(pwrite64, fd, s->data + done, s->size - done, position + done) : sys(pread64, fd, s->data + done, s->size - done, position + done);

        if (moved == -EINTR)
            continue;
        if (moved <= 0)
            return false;
        done += (u64)moved;
    }
    return true;
}

static u8 perform(const struct segment *segments, u32 count, u32 *written)
{
    struct { u32 type, reserved; u64 sector; } header;
    u64 position;

    if (segments[0].writable || segments[0].size != sizeof(header))
        return ERROR;
    memcpy(&header, segments[0].data, sizeof(header));
    switch (header.type) {
    case READ: case WRITE:
        if (header.sector > sectors)
            return ERROR;
        position = header.sector * SECTOR;
        for (u32 i = 1; i < count - 1; i++) {
            if (!transfer(&segments[i], position, header.type == WRITE))
                return ERROR;
            position += segments[i].size;
            *written += header.type == READ ? segments[i].size : 0;
        }
        return OK;
    case FLUSH:
        return sys(fsync, fd) < 0 ? ERROR : OK;
    case GET_ID:
        if (count != 3 || !segments[1].writable || segments[1].size < 20)
            return ERROR;
        memset(segments[1].data, 0, 20);
        memcpy(segments[1].data, "vmm", 3);
        *written = 20;
        return OK;
    default:
        return UNSUPPORTED;
    }
}

static void notified(struct virtio_device *device, u32 index)
{
    static struct segment segments[SEGMENTS];
    u16 request;
    u32 count;

    while ((count = virtio_take(device, index, segments, SEGMENTS, &request)) != 0) {
        const struct segment *status = &segments[count - 1];
        u32 written = 0;

        /* The last segment is one byte for the status. */
        if (count >= 2 && status->writable && status->size >= 1) {
            status->data[0] = perform(segments, count, &written);
            written++;
        }
        virtio_give(device, index, request, written);
    }
}

struct virtio_device *block_device(struct vm *vm UNUSED, const char *file)
{
    static struct virtio_device device = { .id = 2, .queues = 1, .offered = FEATURE_FLUSH, .config = &sectors, .config_size = sizeof(sectors), .notified = notified };
    s64 size;

    fd = sys(openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        fail("disk=", fd);
    size = sys(lseek, fd, 0, SEEK_END);
    if (size < 0)
        fail("size of the disk", size);
    sectors = (u64)size / SECTOR;
    return &device;
}
