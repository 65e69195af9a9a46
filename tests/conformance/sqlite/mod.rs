//! What only the embedded store can show: its rebuild, its files, its faults.
