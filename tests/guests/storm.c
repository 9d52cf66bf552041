/* Gives owners away as fast as it can, and notes in a file how many have been answered:
 *   storm DIR FIRST COUNT PROGRESS
 * Link and file number N get owner N + 1000. Ends at the first error, whose errno it prints. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	int first = atoi(argv[2]), count = atoi(argv[3]);
	int progress = open(argv[4], O_WRONLY | O_CREAT, 0666);
	if (progress < 0 || chdir(argv[1]))
		return 2;
	for (int i = first; i < first + count; i++) {
		char link[32], file[32], text[32];
		snprintf(link, sizeof link, "l%d", i);
		snprintf(file, sizeof file, "f%d", i);
		int fd = open(file, O_WRONLY | O_CREAT, 0644);
		if (fd < 0 || close(fd) || symlink("x", link)) {
			printf("make %d\n", errno);
			return 1;
		}
		if (chown(file, i + 1000, i + 1000) || lchown(link, i + 1000, i + 1000)) {
			printf("chown %d\n", errno);
			return 1;
		}
		int length = snprintf(text, sizeof text, "%8d", i - first + 1);
		if (pwrite(progress, text, length, 0) != length)
			return 2;
	}
	puts("done");
	return 0;
}
