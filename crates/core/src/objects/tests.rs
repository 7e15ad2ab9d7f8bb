//! Objects of every kind, small, with what is read from them.
