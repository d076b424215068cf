/* What the compiler calls in the explored sources (-fsanitize=thread) instead of touching memory itself. */
#include "explore.h"
#include "orders.h"

#include <string.h>

void *explored_memset(void *to, int byte, size_t size);
void *explored_memcpy(void *to, const void *from, size_t size);

#define HERE __builtin_return_address(0)

void __tsan_init(void);
void __tsan_init(void)
{
}

/* ---- plain memory */

#define PLAIN(size)                                                                                                    \
        void __tsan_read##size(void *address);                                                                         \
        void __tsan_write##size(void *address);                                                                        \
        void __tsan_unaligned_read##size(void *address);                                                               \
        void __tsan_unaligned_write##size(void *address);                                                              \
        void __tsan_read##size(void *address)                                                                          \
        {                                                                                                              \
                memory_plain(address, size, PLAIN_READ, HERE);                                                         \
        }                                                                                                              \
        void __tsan_write##size(void *address)                                                                         \
        {                                                                                                              \
                memory_plain(address, size, PLAIN_WRITE, HERE);                                                        \
        }                                                                                                              \
        void __tsan_unaligned_read##size(void *address)                                                                \
        {                                                                                                              \
                memory_plain(address, size, PLAIN_READ, HERE);                                                         \
        }                                                                                                              \
        void __tsan_unaligned_write##size(void *address)                                                               \
        {                                                                                                              \
                memory_plain(address, size, PLAIN_WRITE, HERE);                                                        \
        }
PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size);

void __tsan_read_range(void *address, size_t size)
{
        memory_plain(address, size, PLAIN_READ, HERE);
}

void __tsan_write_range(void *address, size_t size)
{
        memory_plain(address, size, PLAIN_WRITE, HERE);
}

/* Calls are not split into accesses by the compiler: these are led here (meson.build). */
void *explored_memset(void *to, int byte, size_t size)
{
        memory_plain(to, size, PLAIN_WRITE, HERE);
        return memset(to, byte, size);
}

void *explored_memcpy(void *to, const void *from, size_t size)
{
        memory_plain(from, size, PLAIN_READ, HERE);
        memory_plain(to, size, PLAIN_WRITE, HERE);
        return memcpy(to, from, size);
}

/* ---- atomic memory */

static uint64_t exchange(uint64_t old, uint64_t operand)
{
        (void)old;
        return operand;
}

static uint64_t fetch_add(uint64_t old, uint64_t operand)
{
        return old + operand;
}

static uint64_t fetch_sub(uint64_t old, uint64_t operand)
{
        return old - operand;
}

static uint64_t fetch_and(uint64_t old, uint64_t operand)
{
        return old & operand;
}

static uint64_t fetch_or(uint64_t old, uint64_t operand)
{
        return old | operand;
}

#define CHANGE(type, bits, name)                                                                                       \
        type __tsan_atomic##bits##_##name(type *address, type operand, int order);                                     \
        type __tsan_atomic##bits##_##name(type *address, type operand, int order)                                      \
        {                                                                                                              \
                order = order_of(HERE, STEP_CHANGE, order);                                                            \
                return (type)memory_change(address, bits / 8, name, operand, order, HERE);                             \
        }

#define SWAP(type, bits, name, weak)                                                                                   \
        int __tsan_atomic##bits##_##name(type *address, type *expected, type value, int order, int failure);           \
        int __tsan_atomic##bits##_##name(type *address, type *expected, type value, int order, int failure)            \
        {                                                                                                              \
                uint64_t seen = *expected;                                                                             \
                bool swaps;                                                                                            \
                                                                                                                       \
                order = order_of(HERE, STEP_SWAP, order);                                                              \
                swaps = memory_compare_swap(address, bits / 8, &seen, value, order, failure, weak, HERE);              \
                if (!swaps)                                                                                            \
                        *expected = (type)seen;                                                                        \
                return swaps;                                                                                          \
        }

#define ATOMIC(type, bits)                                                                                             \
        type __tsan_atomic##bits##_load(const type *address, int order);                                               \
        type __tsan_atomic##bits##_load(const type *address, int order)                                                \
        {                                                                                                              \
                order = order_of(HERE, STEP_LOAD, order);                                                              \
                return (type)memory_load(address, bits / 8, order, HERE);                                              \
        }                                                                                                              \
        void __tsan_atomic##bits##_store(type *address, type value, int order);                                        \
        void __tsan_atomic##bits##_store(type *address, type value, int order)                                         \
        {                                                                                                              \
                order = order_of(HERE, STEP_STORE, order);                                                             \
                memory_store(address, bits / 8, value, order, HERE);                                                   \
        }                                                                                                              \
        CHANGE(type, bits, exchange)                                                                                   \
        CHANGE(type, bits, fetch_add)                                                                                  \
        CHANGE(type, bits, fetch_sub)                                                                                  \
        CHANGE(type, bits, fetch_and)                                                                                  \
        CHANGE(type, bits, fetch_or)                                                                                   \
        SWAP(type, bits, compare_exchange_strong, false)                                                               \
        SWAP(type, bits, compare_exchange_weak, true)
ATOMIC(uint8_t, 8)
ATOMIC(uint16_t, 16)
ATOMIC(uint32_t, 32)
ATOMIC(uint64_t, 64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
        (void)order;
        if (running >= 0)
                fail("a fence, which is not modelled");
}
