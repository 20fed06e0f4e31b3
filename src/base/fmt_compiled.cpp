// fmt, compiled once. Debian has it as headers and as a shared object only: header-only, each of
// our files would compile all of it again, and the program is to need no shared objects but
// glibc's.
#include <fmt/format-inl.h>

template class fmt::detail::buffer<char>;
template fmt::detail::thousands_sep_result<char> fmt::detail::thousands_sep_impl<char>(
    fmt::detail::locale_ref);
template char fmt::detail::decimal_point_impl<char>(fmt::detail::locale_ref);
template std::locale fmt::detail::locale_ref::get<std::locale>() const;
