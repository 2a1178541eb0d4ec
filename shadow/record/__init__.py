"""The recorder: takes finished exchanges in, reads them, stores them, has them mirrored, and serves its pages."""
