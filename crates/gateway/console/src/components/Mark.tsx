// Quire's mark: the folded sheets that a quire is made of.

export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" />
      <path
        className="mark-sheet"
        d="M16 10.2C13.4 8.4 10.4 7.9 7 8.3v14.4c3.4-.4 6.4.1 9 1.9 2.6-1.8 5.6-2.3 9-1.9V8.3c-3.4-.4-6.4.1-9 1.9Z"
      />
      <path
        className="mark-line"
        d="M16 10.2v14.4M10 12.3c1.3 0 2.5.3 3.6.8M10 16.3c1.3 0 2.5.3 3.6.8M22 12.3c-1.3 0-2.5.3-3.6.8M22 16.3c-1.3 0-2.5.3-3.6.8"
      />
    </svg>
  );
}
