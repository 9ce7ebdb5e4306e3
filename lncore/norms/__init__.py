"""The normalizations: a file is a variant, its one public class the layer, the keyword-only arguments its options."""
