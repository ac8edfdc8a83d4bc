"""What each command does, one file a command. Behind `deliverd.cli`, which loads a file when its command is called."""
