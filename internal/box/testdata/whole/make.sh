# make -j4 of a small C project, with the time in it, and a library.
set -e
mkdir project
cd project
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	cat >part$i.c <<END
#include <stdio.h>
int part$i(void) { printf("part $i of " __FILE__ "\n"); return $i; }
END
	calls="$calls sum += part$i();"
	declarations="$declarations int part$i(void);"
done
cat >main.c <<END
#include <stdio.h>
$declarations
int main(void) { int sum = 0; $calls printf("%d " __DATE__ " " __TIME__ "\n", sum); return 0; }
END
cat >Makefile <<'END'
parts = $(patsubst %.c,%.o,$(wildcard part*.c))
program: main.o libparts.a
	gcc -o $@ $^
libparts.a: $(parts)
	ar rcU $@ $(parts)
%.o: %.c
	gcc -g -c -o $@ $<
	@echo compiled $<
END
make -j4
./program
sha256sum program libparts.a
