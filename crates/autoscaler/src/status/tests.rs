//! What is told over a few loops of small clusters.
