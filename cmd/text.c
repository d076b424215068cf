#include "command.h"

#include <string.h>

/* How many bytes the UTF-8 character here has; 0: it is none. */
static size_t character(const unsigned char *text)
{
        size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xc2 && text[0] < 0xe0 ? 2 : (text[0] & 0xf0) == 0xe0 ? 3 :
                        text[0] >= 0xf0 && text[0] < 0xf5 ? 4 : 0, i;

        for (i = 1; i < length; i++)
                if ((text[i] & 0xc0) != 0x80)
                        return 0;
        /* Too long, a surrogate, too long, beyond the last. */
        if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] >= 0xa0) ||
            (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] >= 0x90))
                return 0;
        return length;
}

static void json_character(FILE *out, const unsigned char *text, size_t length)
{
        if (length == 0)
                fputs("\\ufffd", out);
        else if (text[0] == '"' || text[0] == '\\')
                fprintf(out, "\\%c", text[0]);
        else if (text[0] < ' ' || text[0] == 0x7f)
                fprintf(out, "\\u%04x", text[0]);
        else
                fwrite(text, 1, length, out);
}

void json_text(FILE *out, const char *text)
{
        const unsigned char *here = (const unsigned char *)text;
        size_t length;

        if (!text) {
                fputs("null", out);
                return;
        }
        putc('"', out);
        for (; *here; here += length ? length : 1) {
                length = character(here);
                json_character(out, here, length);
        }
        putc('"', out);
}

void show_text(FILE *out, const char *text)
{
        const unsigned char *here = (const unsigned char *)text;
        size_t length;

        for (; *here; here += length ? length : 1) {
                length = character(here);
                if (length == 0 || *here < ' ' || *here == 0x7f || (*here == 0xc2 && here[1] < 0xa0))
                        putc('?', out);
                else
                        fwrite(here, 1, length, out);
        }
}
