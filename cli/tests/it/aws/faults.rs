//! What AWS does on bad days.
