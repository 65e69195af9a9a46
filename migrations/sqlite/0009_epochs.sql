-- A key that is retired makes nothing new; what it made it opens for as long as it is there.
ALTER TABLE keys ADD COLUMN retired_at INTEGER;
