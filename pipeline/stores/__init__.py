"""Where a run keeps its files: local paths and object stores behind one interface, arrays, masks, tables."""
