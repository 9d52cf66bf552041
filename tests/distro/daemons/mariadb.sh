# A new database of mysql's, whose users are who connects.
rm -rf /var/lib/mysql-test
mkdir -p /run/mysqld
chown mysql: /run/mysqld
mariadb-install-db --user=mysql --datadir=/var/lib/mysql-test --auth-root-authentication-method=socket \
    --skip-test-db > /tmp/daemon.log 2>&1
is "the data" "mysql:mysql" "$(stat -c %U:%G /var/lib/mysql-test/ibdata1)"
mariadbd --user=mysql --datadir=/var/lib/mysql-test --socket=/run/mysqld/test.sock --pid-file=/run/mysqld/test.pid \
    --skip-networking > /tmp/daemon.log 2>&1 &
sql() { # USER ROLE STATEMENT
    as "$1" "mariadb --no-defaults -S /run/mysqld/test.sock -u $2 -Ne '$3'" 2>&1
}
until_true "the server answers" sql root root 'select 1'
is "root" root@localhost "$(sql root root 'select current_user()')"
is "another user as root" "ERROR 1698 (28000): Access denied for user 'root'@'localhost'" "$(sql www-data root 'select 1' || :)"
sql root root 'create user `www-data`@localhost identified via unix_socket'
is "a user" www-data@localhost "$(sql www-data www-data 'select current_user()')"
is "root as that user" "ERROR 1698 (28000): Access denied for user 'www-data'@'localhost'" "$(sql root www-data 'select 1' || :)"
soon "the server" "$(user_ids mysql)" 'ids "$(cat /run/mysqld/test.pid)"'
is "its socket" "mysql:mysql 777" "$(owner /run/mysqld/test.sock)"
is "its files" "" "$(find /var/lib/mysql-test ! -user mysql ! -name mysql_upgrade_info)"
mariadb-admin --no-defaults -S /run/mysqld/test.sock shutdown
wait
gone mariadbd
rm -r /var/lib/mysql-test
