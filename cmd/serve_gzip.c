/* gzip without a library: one letter again and again, by the fixed code of RFC 1951, as repeats of 258. */
#include "serve_http.h"

struct bits {
        struct connection *c;
        unsigned buffer, count;
};

static void put_bits(struct bits *bits, unsigned value, unsigned count)
{
        char byte;

        bits->buffer |= value << bits->count;
        for (bits->count += count; bits->count >= 8; bits->count -= 8) {
                byte = (char)bits->buffer;
                bits->buffer >>= 8;
                connection_emit(bits->c, &byte, 1);
        }
}

/* Codes stand with their first bit lowest. */
static void put_code(struct bits *bits, unsigned code, unsigned count)
{
        unsigned turned = 0, i;

        for (i = 0; i < count; i++)
                turned |= (code >> i & 1) << (count - 1 - i);
        put_bits(bits, turned, count);
}

static void put_deflated(struct connection *c, uint64_t size)
{
        struct bits bits = {.c = c};
        uint64_t plain = size ? 1 + (size - 1) % 258 : 0, repeats = (size - plain) / 258;

        put_bits(&bits, 3, 3);                  /* the last block; fixed code */
        for (; plain; plain--)
                put_code(&bits, 0x30 + 'a', 8);
        for (; repeats && c->rc == 0; repeats--) {
                put_code(&bits, 0xc5, 8);       /* length 258 */
                put_code(&bits, 0, 5);          /* distance 1 */
        }
        put_code(&bits, 0, 7);                  /* the end */
        if (bits.count)
                put_bits(&bits, 0, 8 - bits.count);
}

static uint32_t crc_of_as(uint64_t size)
{
        uint32_t table[256], crc = UINT32_MAX, i, bit;

        for (i = 0; i < 256; i++) {
                table[i] = i;
                for (bit = 0; bit < 8; bit++)
                        table[i] = table[i] & 1 ? table[i] >> 1 ^ 0xedb88320 : table[i] >> 1;
        }
        for (; size; size--) {
                crc = crc >> 8 ^ table[(crc ^ 'a') & 255];
                if (size % 1000000 == 0)
                        plait_ignore(plait_yield());
        }
        return ~crc;
}

static void put_number(struct connection *c, uint32_t number)
{
        unsigned char bytes[4] = {(unsigned char)number, (unsigned char)(number >> 8), (unsigned char)(number >> 16),
                                  (unsigned char)(number >> 24)};

        connection_emit(c, bytes, sizeof bytes);
}

void connection_emit_gzip(struct connection *c, uint64_t size)
{
        connection_emit(c, "\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
        put_deflated(c, size);
        if (c->rc == 0)
                put_number(c, crc_of_as(size));
        put_number(c, (uint32_t)size);
}
