-- The version of the settings, under the lock that orders the batches of all nodes: what was decided by other settings is
-- not stored (docs/decisions/0011-settings.md).
ALTER TABLE log_head ADD COLUMN settings_version bigint NOT NULL DEFAULT 0;
