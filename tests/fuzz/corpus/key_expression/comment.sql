i4 -- comment
 + /* another */ 1