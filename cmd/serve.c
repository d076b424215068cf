/* plait serve: listens, and runs one coroutine per connection (serve_http.c). */
#include "serve.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char help[] =
        "plait serve [OPTION]...      a small HTTP/1.1 server, for demonstrations and tests\n"
        "\n"
        "  -p, --port N       listen on this port; 0, the default: on any that is free\n"
        "      --host HOST    on this address; default 127.0.0.1, this machine only\n"
        "      --latency SPAN wait so long before each answer: 50ms, 1.5s\n"
        "      --size N       bytes of the body of /: 100, 64K, 1.5M; default 1K\n"
        "\n"
        "The first line on standard output is its URL. It serves until SIGINT or SIGTERM. It has\n"
        "\n"
        "  /bytes/N     N bytes                      /status/CODE  that status\n"
        "  /chunked/N   likewise, of unsaid length   /redirect/N   N redirects, and then /\n"
        "  /gzip/N      likewise, compressed         /loop         redirects to itself\n"
        "  /slow/N      N bytes, 100 a second        /hang         never answers\n"
        "  /cut/N       says N bytes, sends half     /garbage      what is not HTTP\n";

static int listen_on(struct options *options, const char *host, unsigned port)
{
        struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found;
        char service[8];
        int fd, one = 1, rc;

        snprintf(service, sizeof service, "%u", port);
        rc = getaddrinfo(host, service, &hints, &found);
        if (rc)
                usage(options, "--host %s: %s", host, gai_strerror(rc));
        fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd >= 0)
                setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (fd >= 0 && (bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)) {
                rc = errno;
                close(fd);
                errno = rc;
                fd = -1;
        }
        freeaddrinfo(found);
        return fd;
}

/* Without its URL nobody finds a server on a free port. */
static bool print_url(int fd)
{
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        char host[64], port[8];

        if (getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
            getnameinfo((struct sockaddr *)&address, size, host, sizeof host, port, sizeof port,
                        NI_NUMERICHOST | NI_NUMERICSERV))
                return false;
        printf(strchr(host, ':') ? "http://[%s]:%s/\n" : "http://%s:%s/\n", host, port);
        return fflush(stdout) == 0;
}

/* Ends the group, and with it everything. */
static int stop_on_signal(void *arg)
{
        plait_group *group = arg;
        int rc = signals_wait();

        plait_group_cancel(group);
        return rc < 0 ? rc : 0;
}

static int accept_all(int fd, plait_group *group, const struct server *server)
{
        struct connection_start start = {.server = server};
        int one = 1, rc;

        for (;;) {
                start.fd = rc = plait_accept(fd, NULL, NULL);
                if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM)
                        rc = plait_sleep(10 * PLAIT_MS);        /* until some connection has ended */
                else if (rc >= 0) {
                        setsockopt(start.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                        rc = plait_group_post(group, serve_connection, &start, sizeof start);
                        if (rc < 0)
                                plait_ignore(plait_close(start.fd));
                        rc = rc == -ENOMEM ? 0 : rc;
                }
                if (rc < 0)
                        return rc;
        }
}

static int serve(int fd, const struct server *server)
{
        int rc;
        PLAIT_GROUP(group, .keep_going = true, .name = "connection");

        plait_group_start_with(&group, &(plait_task_options){.name = "signals"}, stop_on_signal, &group, 0);
        rc = accept_all(fd, &group, server);
        plait_group_cancel(&group);
        plait_ignore(plait_group_wait(&group));
        return rc == -ECANCELED ? 0 : rc;
}

int serve_main(int argc, char **argv)
{
        struct options options = {.verb = "serve", .words = argv + 1};
        struct server server = {.size = 1024};
        const char *word, *host = "127.0.0.1";
        unsigned port = 0;
        int kind, fd, rc;

        (void)argc;
        while ((kind = options_next(&options, &word))) {
                if (kind == 2)
                        usage(&options, "%s: no operands are taken", word);
                else if (option_is(&options, "h|help"))
                        return fputs(help, stdout) < 0;
                else if (option_is(&options, "p|port"))
                        port = (unsigned)option_number(&options, 0, 65535);
                else if (option_is(&options, "host"))
                        host = option_value(&options);
                else if (option_is(&options, "latency"))
                        server.latency = option_span(&options);
                else if (option_is(&options, "size"))
                        server.size = option_size(&options);
                else
                        option_unknown(&options);
        }
        rc = signals_block(NULL);
        fd = listen_on(&options, host, port);
        if (rc < 0 || fd < 0) {
                rc = fd < 0 ? errno : -rc;
                fprintf(stderr, "plait serve: %s, port %u: %s; try another %s\n", host, port, strerror(rc),
                        rc == EADDRNOTAVAIL ? "--host" : "--port");
                return EXIT_SOME_FAILED;
        }
        rc = print_url(fd) ? serve(fd, &server) : 0;    /* main() tells of standard output */
        plait_ignore(plait_close(fd));
        if (rc < 0)
                fprintf(stderr, "plait serve: %s\n", strerror(-rc));
        return rc < 0 ? EXIT_SOME_FAILED : EXIT_ALL;
}
