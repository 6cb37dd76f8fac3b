#pragma once

#include <string>
#include <string_view>

// Names of what is not finished, in the directory where it will be.
namespace nacre::files {

// One that nothing has: ".nacre-upload-" and 16 hexadecimal digits.
std::string TempName();

// Of the upload `resume_id` of what will be `target`, a last component: the same in every release,
// as uploads outlive them. Two targets of one directory may use one id.
std::string ResumeName(std::string_view resume_id, std::string_view target);

// 1 to 64 of A-Z a-z 0-9 _ -.
bool IsResumeId(std::string_view id);

}  // namespace nacre::files
