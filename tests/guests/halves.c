/* halves FILE u|g COUNT: sets one half of a file's owner COUNT times, and looks each time whether it is there, while
 * others set the other half. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	int user = argc > 2 && *argv[2] == 'u', lost = 0;
	for (int i = 0; argc > 3 && i < atoi(argv[3]); i++) {
		unsigned id = 100 + i % 1000;
		struct stat stat;
		if (lchown(argv[1], user ? id : -1, user ? -1 : id) != 0 || lstat(argv[1], &stat) != 0) {
			perror(argv[1]);
			return 1;
		}
		lost += (user ? stat.st_uid : stat.st_gid) != id;
	}
	printf("lost %d\n", lost);
	return 0;
}
