"""Starting processes that cannot outlive whoever started them."""
