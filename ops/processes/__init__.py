"""Starting processes that die with the process that started them; ports and health of processes."""
