"""Where results and grades are kept: appended to, never overwritten, each change in the audit."""
