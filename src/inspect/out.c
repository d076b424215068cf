#include "inspect/out.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/sys.h"

void plait__out_flush(struct plait__out *out)
{
        size_t done = 0;
        long n;

        if (out->file) {
                fwrite(out->text, 1, out->length, out->file);
                fflush(out->file);
        }
        while (!out->file && done < out->length) {
                n = plait__sys.write(2, out->text + done, out->length - done);
                if (n <= 0 && n != -EINTR)
                        break;                  /* nowhere to say it */
                done += n > 0 ? (size_t)n : 0;
        }
        out->length = 0;
}

void plait__out(struct plait__out *out, const char *format, ...)
{
        char line[512];
        va_list arguments;
        size_t length;
        int n;

        va_start(arguments, format);
        n = vsnprintf(line, sizeof line, format, arguments);
        va_end(arguments);
        if (n <= 0)
                return;
        length = (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
        if (out->length + length > sizeof out->text)
                plait__out_flush(out);
        memcpy(out->text + out->length, line, length);
        out->length += length;
}

void plait__out_span(struct plait__out *out, plait_time span)
{
        if (span < 0)
                span = 0;
        plait__out(out, "%lld.%03d s", (long long)(span / PLAIT_S), (int)(span % PLAIT_S / PLAIT_MS));
}
