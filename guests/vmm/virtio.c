/* Registers of a virtio-mmio device (Virtio 1.2, 4.2.2) and its split queues (2.7). Everything the driver says is checked. */
#include "virtio.h"
#include "string.h"

enum {
    MAGIC = 0x000, VERSION = 0x004, DEVICE_ID = 0x008, VENDOR_ID = 0x00c, DEVICE_FEATURES = 0x010, DEVICE_FEATURES_SELECT = 0x014, DRIVER_FEATURES = 0x020,
    DRIVER_FEATURES_SELECT = 0x024, QUEUE_SELECT = 0x030, QUEUE_NUM_MAX = 0x034, QUEUE_NUM = 0x038, QUEUE_READY = 0x044, QUEUE_NOTIFY = 0x050,
    INTERRUPT_STATUS = 0x060, INTERRUPT_ACK = 0x064, STATUS = 0x070, QUEUE_DESCRIPTORS = 0x080, QUEUE_DRIVER = 0x090, QUEUE_DEVICE = 0x0a0, CONFIG = 0x100
};
enum { STATUS_DRIVER_OK = 4, STATUS_FEATURES_OK = 8, STATUS_NEEDS_RESET = 64 };
enum { DESCRIPTOR_NEXT = 1, DESCRIPTOR_WRITE = 2 };
#define AVAIL_NO_INTERRUPT 1
#define USED_NO_NOTIFY 1
#define USED_BUFFER 1
#define CONFIG_CHANGE 2
#define FEATURE_VERSION_1 BIT(32)

struct descriptor {
    u64 address;
    u32 size;
    u16 flags, next;
};

static void set_line(const struct virtio_device *device)
{
    struct kvm_irq_level change = { .irq = KVM_IRQ_SPI(32 + VIRTIO_SPI + device->slot), .level = device->interrupts != 0 };

    sys(ioctl, device->vm->fd, KVM_IRQ_LINE, &change);
}

static void interrupt(struct virtio_device *device, u32 cause)
{
    u32 before = device->interrupts;

    device->interrupts |= cause;
    if (!before)
        set_line(device);
}

/* The driver has broken the rules: it must reset the device. */
static void broken(struct virtio_device *device)
{
    device->status |= STATUS_NEEDS_RESET;
    interrupt(device, CONFIG_CHANGE);
}

bool virtio_running(const struct virtio_device *device)
{
    return (device->status & (STATUS_DRIVER_OK | STATUS_NEEDS_RESET)) == STATUS_DRIVER_OK;
}

static u8 *guest_memory(const struct vm *vm, u64 address, u64 size)
{
    if (address < RAM_BASE || size > vm->memory_size || address - RAM_BASE > vm->memory_size - size)
        return NULL;
    return vm->memory + (address - RAM_BASE);
}

u32 virtio_take(struct virtio_device *device, u32 index, struct segment *segments, u32 most, u16 *request)
{
    struct virtqueue *q = &device->queue[index];
    const struct descriptor *table;
    const u16 *ring;
    u32 count = 0;
    u16 at;

    if (!q->ready || !virtio_running(device))
        return 0;
    table = (const struct descriptor *)guest_memory(device->vm, q->descriptors, 16 * (u64)q->size);
    ring = (const u16 *)guest_memory(device->vm, q->driver, 6 + 2 * (u64)q->size);
    if (!table || !ring || (q->descriptors & 15) || (q->driver & 1)) {
        broken(device);
        return 0;
    }
    if (__atomic_load_n(&ring[1], __ATOMIC_ACQUIRE) == q->next)
        return 0;
    *request = at = ring[2 + q->next % q->size];
    q->next++;
    for (;;) {
        /* A copy: the driver may change it meanwhile. */
        struct descriptor d;

        if (at >= q->size || count == most)
            break;
        memcpy(&d, &table[at], sizeof(d));
        segments[count] = (struct segment){ guest_memory(device->vm, d.address, d.size), d.size, (d.flags & DESCRIPTOR_WRITE) != 0 };
        if (!segments[count].data)
            break;
        count++;
        if (!(d.flags & DESCRIPTOR_NEXT))
            return count;
        at = d.next;
    }
    broken(device);
    return 0;
}

void virtio_give_all(struct virtio_device *device, u32 index, const struct given *given, u32 count)
{
    struct virtqueue *q = &device->queue[index];
    u16 *used = (u16 *)guest_memory(device->vm, q->device, 6 + 8 * (u64)q->size);
    const u16 *available = (const u16 *)guest_memory(device->vm, q->driver, 6 + 2 * (u64)q->size);

    /* Reset while the request was under way. */
    if (!q->ready)
        return;
    if (!used || !available || (q->device & 3)) {
        broken(device);
        return;
    }
    for (u32 i = 0; i < count; i++)
        memcpy(used + 2 + 4 * ((u16)(used[1] + i) % q->size), &given[i], sizeof(given[i]));
    __atomic_store_n(&used[1], (u16)(used[1] + count), __ATOMIC_RELEASE);
    /* A driver that is looking at the ring says so; it looks once more after it has taken that back. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!(__atomic_load_n(&available[0], __ATOMIC_RELAXED) & AVAIL_NO_INTERRUPT))
        interrupt(device, USED_BUFFER);
}

void virtio_give(struct virtio_device *device, u32 index, u16 request, u32 written)
{
    virtio_give_all(device, index, &(struct given){ request, written }, 1);
}

void virtio_return(struct virtio_device *device, u32 index, u32 count)
{
    device->queue[index].next -= (u16)count;
}

bool virtio_listen(struct virtio_device *device, u32 index, bool wanted)
{
    struct virtqueue *q = &device->queue[index];
    u16 *used = (u16 *)guest_memory(device->vm, q->device, 6 + 8 * (u64)q->size);
    const u16 *ring = (const u16 *)guest_memory(device->vm, q->driver, 6 + 2 * (u64)q->size);

    if (!q->ready || !used || !ring || (q->device & 3) || (q->driver & 1))
        return false;
    __atomic_store_n(&used[0], wanted ? 0 : USED_NO_NOTIFY, __ATOMIC_RELAXED);
    /* What was put into the ring before the driver could see it has not been told. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&ring[1], __ATOMIC_ACQUIRE) != q->next;
}

static void reset(struct virtio_device *device)
{
    device->status = device->interrupts = 0;
    device->accepted = 0;
    memset(device->queue, 0, sizeof(device->queue));
    set_line(device);
}

static void half(u64 *address, u64 offset, u32 value)
{
    *address = offset & 4 ? (*address & 0xffffffffUL) | (u64)value << 32 : (*address & ~0xffffffffUL) | value;
}

static u64 register_value(const struct virtio_device *device, u64 offset)
{
    const struct virtqueue *q = device->queue_select < device->queues ? &device->queue[device->queue_select] : NULL;

    switch (offset) {
    case MAGIC: return 0x74726976;
    case VERSION: return 2;
    case DEVICE_ID: return device->id;
    case VENDOR_ID: return 0x7564694e; /* "Nidu" */
    case DEVICE_FEATURES: return device->device_page < 2 ? (u32)((device->offered | FEATURE_VERSION_1) >> (32 * device->device_page)) : 0;
    case QUEUE_NUM_MAX: return q ? QUEUE_MAX : 0;
    case QUEUE_READY: return q && q->ready;
    case INTERRUPT_STATUS: return device->interrupts;
    case STATUS: return device->status;
    default: return 0;
    }
}

static void write_register(struct virtio_device *device, u64 offset, u32 value)
{
    struct virtqueue nowhere, *q = device->queue_select < device->queues ? &device->queue[device->queue_select] : &nowhere;

    switch (offset) {
    case DEVICE_FEATURES_SELECT: device->device_page = value; break;
    case DRIVER_FEATURES_SELECT: device->driver_page = value; break;
    case DRIVER_FEATURES:
        if (device->driver_page < 2)
            half(&device->accepted, 4 * device->driver_page, value);
        break;
    case QUEUE_SELECT: device->queue_select = value; break;
    case QUEUE_NUM:
        /* A power of two. */
        if (value && value <= QUEUE_MAX && !(value & (value - 1)))
            q->size = value;
        break;
    case QUEUE_READY: q->ready = (value & 1) && q->size; break;
    case QUEUE_NOTIFY:
        if (value < device->queues)
            device->notified(device, value);
        break;
    case INTERRUPT_ACK:
        device->interrupts &= ~value;
        if (!device->interrupts)
            set_line(device);
        break;
    case STATUS:
        if (!value) {
            reset(device);
            break;
        }
        device->status = value | (device->status & STATUS_NEEDS_RESET);
        if ((value & STATUS_FEATURES_OK) && (device->accepted & ~(device->offered | FEATURE_VERSION_1) || !(device->accepted & FEATURE_VERSION_1)))
            device->status &= ~(u32)STATUS_FEATURES_OK;
        break;
    case QUEUE_DESCRIPTORS: case QUEUE_DESCRIPTORS + 4: half(&q->descriptors, offset, value); break;
    case QUEUE_DRIVER: case QUEUE_DRIVER + 4: half(&q->driver, offset, value); break;
    case QUEUE_DEVICE: case QUEUE_DEVICE + 4: half(&q->device, offset, value); break;
    }
}

static struct virtio_device *device_at(const struct vm *vm, u64 address)
{
    u64 slot = (address - VIRTIO_BASE) / VIRTIO_SIZE;

    return address >= VIRTIO_BASE && slot < VIRTIO_SLOTS ? vm->virtio[slot] : NULL;
}

bool virtio_read(const struct vm *vm, u64 address, u64 *value, u32 size)
{
    const struct virtio_device *device = device_at(vm, address);
    u64 offset = address % VIRTIO_SIZE;

    if (!device)
        return false;
    *value = 0;
    if (offset < CONFIG)
        *value = register_value(device, offset);
    else if (size <= 8 && offset - CONFIG + size <= device->config_size)
        memcpy(value, (const u8 *)device->config + (offset - CONFIG), size);
    return true;
}

bool virtio_write(const struct vm *vm, u64 address, u64 value)
{
    struct virtio_device *device = device_at(vm, address);
    u64 offset = address % VIRTIO_SIZE;

    if (!device)
        return false;
    if (offset < CONFIG)
        write_register(device, offset, (u32)value);
    return true;
}

static void plug(struct vm *vm, u32 slot, struct virtio_device *device)
{
    device->vm = vm;
    device->slot = slot;
    vm->virtio[slot] = device;
}

/* Where KVM can, it takes what the VM writes to QUEUE_NOTIFY itself: the vCPU goes on in the VM at once. */
void virtio_attach(const struct vm *vm)
{
    for (u32 slot = 0; slot < VIRTIO_SLOTS; slot++) {
        const struct virtio_device *device = vm->virtio[slot];

        if (device && device->kick) {
            struct kvm_ioeventfd kick = {
                .match = device->kicked, .address = VIRTIO_BASE + slot * VIRTIO_SIZE + QUEUE_NOTIFY, .length = 4, .fd = device->kick, .flags = KVM_IOEVENTFD_MATCH,
            };

            sys(ioctl, vm->fd, KVM_IOEVENTFD, &kick);
        }
    }
}

void virtio_start(struct vm *vm)
{
    if (vm->options.disk)
        plug(vm, 0, block_device(vm, vm->options.disk));
    if (vm->options.hvc)
        plug(vm, 1, console_device(vm));
    if (vm->options.network)
        plug(vm, 2, network_device(vm));
}
