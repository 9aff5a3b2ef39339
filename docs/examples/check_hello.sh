#!/bin/sh
# A check is any program: its exit code is the state (0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN), its first line the text,
# and what follows a | are measured values.
users=$(who | wc -l)
echo "HELLO OK - $users people are signed in | users=$((users));5;10;0"
