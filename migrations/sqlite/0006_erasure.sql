-- A person is erased with all that is sealed under their key: found by the person, whoever's event names it.
CREATE INDEX sealed_person ON sealed (person_id);
