-- Made by `mien server init`. PostgreSQL's image runs it once, when it creates the database: a role that can only read
-- the log, for the dashboard and Grafana. In an existing database: psql --username mien --file reader.sql mien
\set password `cat $folder/database/reader/password`
CREATE ROLE mien_reader LOGIN CONNECTION LIMIT 10 PASSWORD :'password';
ALTER ROLE mien_reader SET default_transaction_read_only = on;
ALTER ROLE mien_reader SET statement_timeout = '30s';
ALTER ROLE mien_reader SET temp_file_limit = '1GB';
GRANT SELECT ON ALL TABLES IN SCHEMA public TO mien_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO mien_reader;
REVOKE TEMPORARY ON DATABASE mien FROM PUBLIC;
