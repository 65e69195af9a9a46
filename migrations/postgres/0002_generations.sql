-- Which generations stand of each read model that follows the log, and how far each is folded. A generation's rows and its
-- position change together; one that is built beside the live one takes its place when it has caught up.
CREATE TABLE generations (
    model    text COLLATE "C" NOT NULL,
    stage    text COLLATE "C" NOT NULL,            -- live, next
    version  bigint NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (model, stage)
) WITH (fillfactor = 10);
